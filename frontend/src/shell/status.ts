// The top line: which city, what time it is there, how fresh the picture is, how fast it runs, who
// is on duty.

import { drive } from "../api";
import type { Context } from "../context";
import { button, h, setAttribute, setText } from "../dom";
import type { Language } from "../words";
import { showShortcuts } from "./keys";
import { askPerson, personName } from "./person";
import { chooseTheme, theme } from "./theme";

const SPEEDS = [1, 5, 0];

export class StatusLine {
  readonly element: HTMLElement;
  private readonly day = h("span", { class: "day" });
  private readonly clock = h("time", { class: "clock" });
  private readonly zone = h("span", { class: "zone" });
  private readonly run = h("span", { class: "run" });
  private readonly fresh = h("span", { class: "fresh", role: "status" });
  private readonly pause: HTMLButtonElement;
  private readonly step: HTMLButtonElement;
  private readonly person: HTMLButtonElement;
  private readonly theme: HTMLButtonElement;
  private readonly speeds: [speed: number, button: HTMLButtonElement][];

  constructor(
    private readonly context: Context,
    private readonly switchLanguage: (to: Language) => void,
  ) {
    const { store, speech, command } = context;
    const { words } = speech;
    this.pause = button("", () => command(drive(store.state?.paused ? "resume" : "pause")), { class: "pause" });
    this.step = button(words.step, () => command(drive("step")));
    this.speeds = SPEEDS.map((speed) => {
      const label = speed === 0 ? words.max : `${speed}×`;
      return [speed, button(label, () => command(drive("speed", speed)))];
    });
    const speedBar = h(
      "div",
      { class: "segments", role: "group", "aria-label": words.speed },
      ...this.speeds.map(([, one]) => one),
    );
    this.person = button("", () => this.changePerson(), { class: "quiet person" });
    this.theme = button("", () => this.switchTheme(), { class: "quiet", "data-control": "theme" });
    this.element = h(
      "header",
      { class: "status" },
      h("h1", {}, store.map.city, h("small", {}, "cityloop")),
      h("div", { class: "when", title: words.timeZone(speech.timeZone) }, this.clock, h("span", { class: "date" }, this.zone, this.day, this.run)),
      this.fresh,
      // Nobody drives the clock on the wall.
      ...(store.map.twin ? [h("div", { class: "drive" }, this.pause, this.step, speedBar)] : []),
      h("div", { class: "own" }, this.person, this.theme, this.languageButton(), this.helpButton()),
    );
  }

  show(): void {
    const { store, speech } = this.context;
    const { words } = speech;
    const { state } = store;
    const freshness = store.freshness();
    setAttribute(this.fresh, "data-freshness", freshness);
    const said: Record<string, string> = { live: words.live, paused: words.paused, replay: words.replayed };
    setText(this.fresh, said[freshness] ?? "");
    setText(this.pause, state?.paused ? words.resume : words.pause);
    this.step.disabled = !state?.paused;
    for (const [speed, one] of this.speeds) {
      setAttribute(one, "aria-pressed", String(state?.speed === speed));
    }
    this.showOwn();
    if (!state) return;
    setText(this.run, state.run);
    setText(this.clock, state.city_time ? speech.clock(state.city_time) : "--:--:--");
    if (!state.city_time) return;
    setAttribute(this.clock, "datetime", state.city_time);
    setText(this.day, speech.day(state.city_time));
    setText(this.zone, speech.offset(state.city_time));
  }

  private showOwn(): void {
    const { words } = this.context.speech;
    const name = personName();
    setText(this.person, name === "" ? words.nobodyOnDuty : words.onDuty(name));
    const other = theme() === "dark" ? words.day : words.night;
    setText(this.theme, other);
    setAttribute(this.theme, "aria-label", words.toTheme(other));
  }

  private languageButton(): HTMLButtonElement {
    const { words, language } = this.context.speech;
    const to: Language = language === "zh" ? "en" : "zh";
    const attributes = { class: "quiet", lang: to, "aria-label": words.languageLabel, "data-control": "language" };
    return button(words.language, () => this.switchLanguage(to), attributes);
  }

  private helpButton(): HTMLButtonElement {
    const { speech } = this.context;
    return button("?", () => showShortcuts(speech), { class: "quiet", "aria-label": speech.words.shortcuts });
  }

  private switchTheme(): void {
    chooseTheme(theme() === "dark" ? "light" : "dark");
    this.showOwn();
  }

  private async changePerson(): Promise<void> {
    await askPerson(this.context.speech);
    this.showOwn();
  }
}
