// Any values over time as lines, drawn by uPlot. Times are the city's; several lines differ by their
// dashes, too.

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Context, Dispose } from "../context";
import { h } from "../dom";
import { timeAxes } from "./trend";

/** Seconds since 1970, and the value then. */
export type PlotPoint = [at: number, value: number | null];

export interface PlotOptions {
  /** What a screen reader says of the picture. */
  label: string;
  lines: string[];
  height: number;
}

const DASHES = [[], [6, 4], [2, 3], [10, 4, 2, 4]];

export class LinePlot {
  readonly element: HTMLElement;
  readonly lines: number;
  private readonly plot: uPlot;
  private readonly sizes: ResizeObserver;
  private readonly stop: Dispose;

  constructor(context: Context, { label, lines, height }: PlotOptions) {
    const canvas = h("div", { class: "plot", role: "img", "aria-label": label });
    const keys = lines.map((line, at) => h("li", { "data-line": at % DASHES.length }, line));
    this.lines = lines.length;
    this.element = h("div", { class: "chart" }, canvas, ...(lines.length > 1 ? [h("ul", { class: "lines" }, ...keys)] : []));
    const colour = (name: string) => () => getComputedStyle(canvas).getPropertyValue(name).trim();
    const series = lines.map((line, at): uPlot.Series => ({
      label: line,
      stroke: colour(at === 0 ? "--loop" : "--baseline"),
      width: 1.5,
      dash: DASHES[at % DASHES.length] ?? [],
      spanGaps: true,
      points: { show: (_plot, _line, first, last) => last - first < 40, size: 5 },
    }));
    const options: uPlot.Options = { width: 300, height, ...timeAxes(canvas, context.speech), scales: { y: { range: around } }, series: [{}, ...series] };
    this.plot = new uPlot(options, [[], ...lines.map(() => [])], canvas);
    this.sizes = new ResizeObserver(() => {
      const width = Math.floor(canvas.clientWidth);
      if (width > 0) this.plot.setSize({ width, height });
    });
    this.sizes.observe(canvas);
    this.stop = context.onTheme(() => this.plot.redraw());
  }

  /** The points of each line, oldest first. */
  show(lines: PlotPoint[][]): void {
    const tables = lines.map((points): uPlot.AlignedData => [points.map(([at]) => at), points.map(([, value]) => value)]);
    this.plot.setData(tables.length === 1 && tables[0] ? tables[0] : uPlot.join(tables));
  }

  dispose(): void {
    this.stop();
    this.sizes.disconnect();
    this.plot.destroy();
  }
}

/** What is drawn fills the height, with some room; a line that stays level lies in the middle. */
function around(_plot: uPlot, low: number | null, high: number | null): uPlot.Range.MinMax {
  if (low === null || high === null) return [0, 1];
  const room = (high - low) * 0.08 || Math.abs(high) * 0.1 || 1;
  return [low >= 0 && low - room < 0 ? 0 : low - room, high + room];
}
