// The top line: which city, what time it is there, how fresh the picture is, how fast it runs.

import { drive } from "./api";
import { button, h, setAttribute, setText } from "./dom";
import type { Store } from "./store";
import type { Speech } from "./words";

const SPEEDS = [1, 5, 0];

export class StatusLine {
  readonly element: HTMLElement;
  private readonly day = h("span", { class: "day" });
  private readonly clock = h("time", { class: "clock" });
  private readonly run = h("span", { class: "run" });
  private readonly fresh = h("span", { class: "fresh", role: "status" });
  private readonly pause: HTMLButtonElement;
  private readonly step: HTMLButtonElement;
  private readonly speeds: [speed: number, button: HTMLButtonElement][];

  constructor(
    private readonly store: Store,
    private readonly speech: Speech,
    command: (work: Promise<void>) => Promise<void>,
    switchLanguage: () => void,
  ) {
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
    const language = button(words.language, switchLanguage, {
      class: "quiet",
      lang: speech.language === "zh" ? "en" : "zh",
      "aria-label": words.languageLabel,
    });
    this.element = h(
      "header",
      { class: "status" },
      h("h1", {}, store.map.city, h("small", {}, "cityloop")),
      h("div", { class: "when" }, this.clock, h("span", { class: "date" }, this.day, this.run)),
      this.fresh,
      h("div", { class: "drive" }, this.pause, this.step, speedBar),
      language,
    );
  }

  show(): void {
    const { state } = this.store;
    const { words } = this.speech;
    const freshness = this.store.freshness();
    setAttribute(this.fresh, "data-freshness", freshness);
    setText(this.fresh, freshness === "live" ? words.live : freshness === "paused" ? words.paused : "");
    setText(this.pause, state?.paused ? words.resume : words.pause);
    this.step.disabled = !state?.paused;
    for (const [speed, one] of this.speeds) {
      setAttribute(one, "aria-pressed", String(state?.speed === speed));
    }
    if (!state) return;
    setText(this.run, state.run);
    setText(this.clock, state.city_time ? this.speech.clock(state.city_time) : "--:--:--");
    if (!state.city_time) return;
    setAttribute(this.clock, "datetime", state.city_time);
    setText(this.day, this.speech.day(state.city_time));
  }
}

/** Says what is wrong with the picture, and what to do; absent while all is well. */
export class Banner {
  readonly element = h("div", { class: "banner", role: "alert", hidden: true });
  private readonly what = h("strong");
  private readonly advice = h("span");

  constructor(
    private readonly store: Store,
    private readonly speech: Speech,
  ) {
    this.element.append(this.what, " ", this.advice);
  }

  show(): void {
    const text = this.text();
    this.element.hidden = text === null;
    if (text === null) return;
    setText(this.what, text[0]);
    setText(this.advice, text[1]);
  }

  private text(): [what: string, advice: string] | null {
    const { words } = this.speech;
    const age = this.speech.age(this.store.ageS());
    const freshness = this.store.freshness();
    if (freshness === "disconnected") return [words.disconnected(age), words.disconnectedAdvice];
    if (this.store.state?.hub_alive === false) return [words.hubAway, words.hubAwayAdvice];
    if (freshness === "waiting") return [words.nothingYet, words.nothingYetAdvice];
    return freshness === "stale" ? [words.stale(age), words.staleAdvice] : null;
  }
}
