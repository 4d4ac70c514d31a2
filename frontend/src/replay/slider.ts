// The time slider: any past second of a run on the whole page, plainly not live, and back again.

import { readRuns } from "../api";
import { ApiError } from "../client";
import type { Run } from "../shapes";
import type { Context } from "../context";
import { button, h, setAttribute, setText } from "../dom";
import { failure } from "../parts/failure";
import { type Asked, Recorder } from "./recorder";

const SPEEDS = [1, 5, 20, 60];
const TICK_MS = 250;
const STEP_S = 5;
const LEAP_S = 60;

export class TimeSlider {
  readonly element: HTMLElement;
  private readonly range: HTMLInputElement;
  private readonly play: HTMLButtonElement;
  private readonly live: HTMLButtonElement;
  private readonly runs = h("select", {});
  private readonly speed = h("select", {});
  private readonly time = h("span", { class: "moment" });
  private readonly mark = h("strong", { class: "mark", role: "status" });
  private readonly trouble = h("p", { class: "trouble", role: "alert", hidden: true });
  private readonly recorder: Recorder;
  private known: Run[] = [];
  /** The second the person went to; the record shows it when it has answered. Null when live. */
  private gone: Asked | null = null;
  private timer = 0;
  private readAt = -Infinity;

  constructor(private readonly context: Context) {
    const { words } = context.speech;
    this.recorder = new Recorder(
      (moment) => context.store.show(moment),
      (error) => this.fail(error),
    );
    this.range = h("input", { type: "range", min: 0, max: 1, step: 1, value: 1, "aria-label": words.replayTime });
    this.range.addEventListener("input", () => this.seek(Number(this.range.value)));
    this.range.addEventListener("keydown", (event) => this.key(event));
    this.play = button("", () => this.toggle(), { class: "play" });
    this.live = button(words.replayBack, () => this.back(), { class: "strong" });
    this.speed.append(...SPEEDS.map((speed) => h("option", { value: speed, selected: speed === 5 }, `${speed}×`)));
    this.speed.setAttribute("aria-label", words.replaySpeed);
    this.runs.setAttribute("aria-label", words.replayRun);
    this.runs.addEventListener("change", () => this.seek(this.begin));
    this.element = h(
      "section",
      { class: "slider", "aria-label": words.replayTitle },
      this.play,
      this.speed,
      this.range,
      this.time,
      this.runs,
      this.mark,
      this.live,
      this.trouble,
    );
    this.show();
  }

  show(): void {
    const { store, speech } = this.context;
    const { words } = speech;
    const past = store.replay !== null;
    this.learn();
    // News comes while the record is still asked: they must not take the slider from the person.
    const at = this.gone?.at ?? this.at;
    setAttribute(this.element, "data-replay", String(past));
    setAttribute(this.range, "min", this.begin);
    setAttribute(this.range, "max", this.end);
    this.range.value = String(at);
    this.range.disabled = this.end <= this.begin;
    const clock = at > 0 ? speech.clock(new Date(at * 1000).toISOString()) : "–";
    setText(this.time, clock);
    setAttribute(this.range, "aria-valuetext", this.gone ? `${words.replayed}: ${clock}` : `${words.live}: ${clock}`);
    setText(this.mark, past ? words.replayed : "");
    setAttribute(this.mark, "title", past ? words.replayNoVehicles : "");
    this.live.hidden = !past;
    this.runs.hidden = this.known.length < 2;
    this.play.disabled = this.range.disabled;
    setText(this.play, this.playing ? "❚❚" : "▶");
    const name = this.playing ? words.replayPause : words.replayPlay;
    setAttribute(this.play, "aria-label", name);
    setAttribute(this.play, "title", name);
  }

  dispose(): void {
    clearInterval(this.timer);
    this.recorder.forget();
    this.context.store.show(null);
    this.element.remove();
  }

  private get playing(): boolean {
    return this.timer !== 0;
  }

  /** The second on the screen. */
  private get at(): number {
    return seconds(this.context.store.state?.city_time) ?? 0;
  }

  private get run(): Run | undefined {
    return this.known.find((one) => one.run === this.runs.value) ?? this.known.at(-1);
  }

  private get begin(): number {
    return seconds(this.run?.begins) ?? this.at;
  }

  /** The present run ends now. */
  private get end(): number {
    const { live } = this.context.store;
    const present = this.run === undefined || this.run.run === live?.run;
    return (present ? seconds(live?.city_time) : seconds(this.run.ends)) ?? this.at;
  }

  /** Read which runs there are: at first, and when a new one has begun. */
  private learn(): void {
    const run = this.context.store.live?.run ?? "";
    if (run === "" || this.known.some((one) => one.run === run)) return;
    if (performance.now() - this.readAt < 5000) return;
    this.readAt = performance.now();
    void readRuns().then((runs) => {
      const chosen = this.gone?.run ?? run;
      this.known = runs;
      const { speech } = this.context;
      const name = ({ begins }: Run) => `${speech.day(begins)} ${speech.clock(begins)}`;
      this.runs.replaceChildren(
        ...runs.map((one) => h("option", { value: one.run, selected: one.run === chosen }, name(one))),
      );
      this.show();
    }, (error: unknown) => this.fail(error));
  }

  private seek(at: number): void {
    const run = this.run?.run;
    if (run === undefined) return;
    const to = Math.min(this.end, Math.max(this.begin, Math.round(at)));
    this.trouble.hidden = true;
    this.gone = { run, at: to };
    this.recorder.ask(this.gone);
    this.show();
  }

  private key(event: KeyboardEvent): void {
    const now = this.gone?.at ?? this.at;
    const to: Record<string, number> = {
      ArrowLeft: now - STEP_S,
      ArrowDown: now - STEP_S,
      ArrowRight: now + STEP_S,
      ArrowUp: now + STEP_S,
      PageDown: now - LEAP_S,
      PageUp: now + LEAP_S,
      Home: this.begin,
    };
    const target = to[event.key];
    if (target !== undefined) this.seek(target);
    else if (event.key === "End") this.back();
    else if (event.key === " ") this.toggle();
    else return;
    event.preventDefault();
  }

  private toggle(): void {
    if (this.playing) this.stop();
    else {
      // From live there is nothing to play yet: begin a little back.
      if (this.gone === null) this.seek(this.end - LEAP_S);
      this.timer = setInterval(() => this.go(), TICK_MS);
    }
    this.show();
  }

  private go(): void {
    const at = (this.gone?.at ?? this.at) + Math.max(1, Math.round((Number(this.speed.value) * TICK_MS) / 1000));
    if (at >= this.end) this.back();
    else this.seek(at);
  }

  private stop(): void {
    clearInterval(this.timer);
    this.timer = 0;
  }

  private back(): void {
    this.stop();
    this.gone = null;
    this.recorder.forget();
    this.runs.value = this.context.store.live?.run ?? "";
    this.context.store.show(null);
    this.show();
    if (document.activeElement === this.live) this.range.focus();
  }

  private fail(error: unknown): void {
    if (!(error instanceof ApiError)) throw error;
    this.stop();
    const { replay } = this.context.store;
    this.gone = replay && { run: replay.run, at: this.at };
    const { words } = this.context.speech;
    setText(this.trouble, failure(error, words).join(" "));
    this.trouble.hidden = false;
    this.show();
  }
}

function seconds(iso: string | null | undefined): number | null {
  return iso == null ? null : Math.floor(Date.parse(iso) / 1000);
}
