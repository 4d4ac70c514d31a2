// What the loop is worth: its figures beside the baseline's at the same second, and their difference.

import type { Measures } from "../shapes";
import type { Context } from "../context";
import { h, setAttribute, setText, svg } from "../dom";
import { TrendChart, travelTime } from "../parts/trend";

type Cell = Exclude<keyof Measures, "difference_s" | "interval_low_s" | "interval_high_s">;

const PAIRS: [loop: Cell, baseline: Cell | null][] = [
  ["att_loop_s", "att_baseline_s"],
  ["delay_loop_s", "delay_baseline_s"],
  ["vehicles", "baseline_vehicles"],
  ["waiting", null],
  ["finished", "baseline_finished"],
];

export class MeasureStrip {
  readonly element: HTMLElement;
  private readonly difference = h("span", { class: "figure" });
  private readonly verdict = h("p", { class: "verdict" });
  private readonly interval = h("p", { class: "interval" });
  private readonly whisker = new Whisker();
  private readonly cells = new Map<Cell, HTMLElement>();
  private readonly baselineHead: HTMLElement;
  private readonly chart: TrendChart;

  constructor(private readonly context: Context) {
    const { words } = context.speech;
    this.chart = new TrendChart(context, { ...travelTime(words), height: 110 });
    this.baselineHead = h("th", { scope: "row", role: "rowheader", class: "baseline" }, words.baseline);
    this.element = h(
      "section",
      { class: "measures", "aria-label": words.measures },
      h(
        "div",
        { class: "gain" },
        h("h2", {}, words.travelTime, h("small", {}, words.difference)),
        h(
          "div",
          { class: "headline" },
          h("p", {}, this.difference, h("span", { class: "unit" }, `${words.secondsUnit} ${words.perTrip}`)),
          h("div", {}, this.verdict, this.whisker.element, this.interval),
        ),
      ),
      this.table(),
      this.chart.element,
    );
  }

  show(): void {
    const { store, speech } = this.context;
    const { state } = store;
    if (!state) return;
    const began = state.city_time !== null;
    this.showGain(state.measures);
    for (const [name, cell] of this.cells) {
      const value = state.measures[name] ?? null;
      setText(cell, name.endsWith("_s") || !began ? speech.seconds(began ? value : null) : speech.count(value ?? 0));
    }
    setText(this.baselineHead, state.baseline_alive || !began ? speech.words.baseline : speech.words.baselineAway);
    this.chart.show();
  }

  private showGain(measures: Measures): void {
    const { speech } = this.context;
    const { words } = speech;
    const { difference_s: difference, interval_low_s: low, interval_high_s: high } = measures;
    setText(this.difference, speech.seconds(difference, "always"));
    const known = low !== null && high !== null;
    const clear = known && (high < 0 || low > 0);
    const meaning = !known ? words.early : !clear ? words.unclear : high < 0 ? words.better : words.worse;
    setText(this.verdict, difference === null ? "" : meaning);
    setAttribute(this.element, "data-gain", clear && low > 0 ? "worse" : clear ? "better" : "unclear");
    setText(this.interval, known ? words.interval(speech.seconds(low), speech.seconds(high)) : words.noInterval);
    this.whisker.show(difference, low, high);
  }

  private table(): HTMLElement {
    const { words } = this.context.speech;
    const labels = [words.travelTimeUnit, words.delayUnit, words.inNetwork, words.waiting, words.finished];
    const cells = (which: 0 | 1) => PAIRS.map((pair) => this.cell(pair[which]));
    const table = h(
      "table",
      { class: "pair", role: "table", "aria-label": words.measures },
      h(
        "thead",
        { role: "rowgroup" },
        h("tr", { role: "row" }, h("td", { role: "cell" }), ...labels.map((label) => h("th", { scope: "col", role: "columnheader" }, label))),
      ),
      h(
        "tbody",
        { role: "rowgroup" },
        h("tr", { role: "row" }, h("th", { scope: "row", role: "rowheader", class: "loop" }, words.loop), ...cells(0)),
        h("tr", { role: "row" }, this.baselineHead, ...cells(1)),
      ),
    );
    return h("div", { class: "pair-frame" }, table);
  }

  private cell(name: Cell | null): HTMLElement {
    if (name === null) return h("td", { class: "none", role: "cell" });
    const cell = h("td", { "data-measure": name, role: "cell" });
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
