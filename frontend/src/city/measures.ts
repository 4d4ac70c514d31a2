// What the loop is worth: its figures beside the baseline's at the same second, and their difference.

import type { Measures } from "./api";
import { Chart } from "./chart";
import { h, setAttribute, setText, svg } from "./dom";
import type { Store } from "./store";
import type { Speech } from "./words";

type Cell = "att_loop_s" | "att_baseline_s" | "vehicles" | "baseline_vehicles" | "waiting" | "finished" | "baseline_finished";

export class MeasureStrip {
  readonly element: HTMLElement;
  private readonly difference = h("span", { class: "figure" });
  private readonly verdict = h("p", { class: "verdict" });
  private readonly interval = h("p", { class: "interval" });
  private readonly whisker = new Whisker();
  private readonly cells = new Map<Cell, HTMLElement>();
  private readonly baselineHead: HTMLElement;
  private readonly chart: Chart;

  constructor(
    private readonly store: Store,
    private readonly speech: Speech,
  ) {
    const { words } = speech;
    this.chart = new Chart(speech);
    this.baselineHead = h("th", { scope: "col", class: "baseline" }, words.baseline);
    this.element = h(
      "section",
      { class: "measures", "aria-label": words.measures },
      h(
        "div",
        { class: "gain" },
        h("h2", {}, words.travelTime, h("small", {}, words.difference)),
        h("p", { class: "headline" }, this.difference, h("span", { class: "unit" }, `${words.secondsUnit} ${words.perTrip}`)),
        this.verdict,
        this.whisker.element,
        this.interval,
      ),
      this.table(),
      this.chart.element,
    );
  }

  show(): void {
    const { state } = this.store;
    if (!state) return;
    const { words } = this.speech;
    this.showGain(state.measures);
    for (const [name, cell] of this.cells) {
      const value = state.measures[name];
      setText(cell, name.startsWith("att") ? this.speech.seconds(value) : this.speech.count(value ?? 0));
    }
    setText(this.baselineHead, state.baseline_alive ? words.baseline : words.baselineAway);
    this.chart.show(this.store.trend);
  }

  private showGain(measures: Measures): void {
    const { words } = this.speech;
    const { difference_s: difference, interval_low_s: low, interval_high_s: high } = measures;
    setText(this.difference, this.speech.seconds(difference, "always"));
    const known = low !== null && high !== null;
    const clear = known && (high < 0 || low > 0);
    const meaning = !known ? words.early : !clear ? words.unclear : high < 0 ? words.better : words.worse;
    setText(this.verdict, difference === null ? "" : meaning);
    setAttribute(this.element, "data-gain", clear && low > 0 ? "worse" : clear ? "better" : "unclear");
    const [lowText, highText] = [this.speech.seconds(low), this.speech.seconds(high)];
    setText(this.interval, known ? words.interval(lowText, highText) : words.noInterval);
    this.whisker.show(difference, low, high);
  }

  private table(): HTMLElement {
    const { words } = this.speech;
    const row = (label: string, loop: Cell, baseline: Cell | null) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, label),
        this.cell(loop),
        baseline === null ? h("td", { class: "none" }, "") : this.cell(baseline),
      );
    return h(
      "table",
      { class: "pair" },
      h(
        "thead",
        {},
        h("tr", {}, h("td"), h("th", { scope: "col", class: "loop" }, words.loop), this.baselineHead),
      ),
      h(
        "tbody",
        {},
        row(words.travelTimeUnit, "att_loop_s", "att_baseline_s"),
        row(words.inNetwork, "vehicles", "baseline_vehicles"),
        row(words.finished, "finished", "baseline_finished"),
        row(words.waiting, "waiting", null),
      ),
    );
  }

  private cell(name: Cell): HTMLElement {
    const cell = h("td", { "data-measure": name });
    this.cells.set(name, cell);
    return cell;
  }
}

/** The difference as a dot and its interval as a bar, on an axis with zero in the middle. */
class Whisker {
  readonly element: HTMLElement;
  private readonly bar = svg("line", { class: "bar" });
  private readonly dot = svg("line", { class: "dot", y1: -5, y2: 5 });

  constructor() {
    const axis = svg("line", { class: "axis", x1: -100, x2: 100 });
    const zero = svg("line", { class: "zero", y1: -8, y2: 8 });
    const drawing = svg("svg", { viewBox: "-100 -8 200 16", preserveAspectRatio: "none" });
    drawing.append(axis, zero, this.bar, this.dot);
    this.element = h("div", { class: "whisker", "aria-hidden": "true" }, drawing, h("span", {}, "0"));
  }

  show(value: number | null, low: number | null, high: number | null): void {
    const known = value !== null && low !== null && high !== null;
    for (const part of [this.bar, this.dot]) setAttribute(part, "visibility", known ? "visible" : "hidden");
    if (!known) return;
    const reach = 20 * Math.ceil(Math.max(Math.abs(low), Math.abs(high), 1) / 20);
    const x = (seconds: number) => ((seconds / reach) * 98).toFixed(1);
    setAttribute(this.bar, "x1", x(low));
    setAttribute(this.bar, "x2", x(high));
    setAttribute(this.dot, "x1", x(value));
    setAttribute(this.dot, "x2", x(value));
  }
}
