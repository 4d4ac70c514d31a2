// Measures over the run, loop and baseline as two lines that do not differ by colour alone; drawn by
// uPlot. Times are the city's. A chart can be taken away as a picture.

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Course, Trend } from "../shapes";
import type { Context } from "../context";
import { h } from "../dom";
import type { Speech, Words } from "../words";

export type TrendColumn = Exclude<keyof Trend, "run" | "city_time">;

export interface TrendSeries {
  label: string;
  column: TrendColumn;
  /** Dashed and grey, as all that is the baseline's. */
  baseline: boolean;
}

export interface TrendOptions {
  /** What a screen reader says of the picture. */
  label: string;
  series: TrendSeries[];
  height: number;
}

export function travelTime(words: Words): Omit<TrendOptions, "height"> {
  return {
    label: words.chart,
    series: [
      { label: words.loop, column: "att_loop_s", baseline: false },
      { label: words.baseline, column: "att_baseline_s", baseline: true },
    ],
  };
}

export class TrendChart {
  readonly element: HTMLElement;
  private readonly plot: uPlot;
  private readonly empty: HTMLElement;
  private shown = "";

  constructor(
    private readonly context: Context,
    private readonly options: TrendOptions,
  ) {
    const { speech } = context;
    const canvas = h("div", { class: "plot", role: "img", "aria-label": options.label });
    this.empty = h("p", { class: "empty" }, speech.words.chartEmpty);
    this.element = h("div", { class: "chart" }, canvas, this.empty);
    const data: uPlot.AlignedData = [[], ...options.series.map(() => [])];
    this.plot = new uPlot(plotOptions(canvas, speech, options), data, canvas);
    new ResizeObserver(() => {
      const width = Math.floor(canvas.clientWidth);
      if (width > 0) this.plot.setSize({ width, height: options.height });
    }).observe(canvas);
    context.onTheme(() => this.plot.redraw());
  }

  show(trend: Course = this.context.store.trend): void {
    const last = `${trend.run} ${trend.city_time.at(-1) ?? ""} ${trend.city_time.length}`;
    if (last === this.shown) return;
    this.shown = last;
    const times = trend.city_time.map((iso) => Date.parse(iso) / 1000);
    const columns = this.options.series.map(({ column }) => trend[column] ?? []);
    this.empty.hidden = columns.some((column) => column.filter((value) => value !== null).length > 1);
    this.plot.setData([times, ...columns]);
  }

  /** The chart as a PNG with its title, as large as it is on the screen. */
  picture(title: string): Promise<Blob> {
    const drawn = this.plot.ctx.canvas;
    const ratio = drawn.width / Math.max(drawn.clientWidth, 1);
    const head = 30 * ratio;
    const sheet = h("canvas", { width: drawn.width, height: drawn.height + head });
    const pen = sheet.getContext("2d");
    if (!pen) throw new TypeError("this browser draws no canvas");
    const style = getComputedStyle(this.element);
    pen.fillStyle = style.getPropertyValue("--ground").trim();
    pen.fillRect(0, 0, sheet.width, sheet.height);
    pen.fillStyle = style.getPropertyValue("--text").trim();
    pen.font = `600 ${14 * ratio}px ${style.fontFamily}`;
    pen.fillText(title, 10 * ratio, 20 * ratio);
    pen.drawImage(drawn, 0, head);
    return new Promise((resolve, reject) => {
      sheet.toBlob((blob) => (blob ? resolve(blob) : reject(new TypeError("the picture could not be written"))));
    });
  }

  dispose(): void {
    this.plot.destroy();
  }
}

function plotOptions(canvas: HTMLElement, speech: Speech, options: TrendOptions): uPlot.Options {
  const colour = (name: string) => () => getComputedStyle(canvas).getPropertyValue(name).trim();
  return {
    width: 300,
    height: options.height,
    ...timeAxes(canvas, speech),
    scales: { y: { range: (_plot, _low, high) => [0, Math.max(10, high * 1.08)] } },
    series: [{}, ...options.series.map((one) => plotSeries(one, colour))],
  };
}

/** Time to the right in the city's zone, values upwards. */
export function timeAxes(canvas: HTMLElement, speech: Speech): Pick<uPlot.Options, "padding" | "cursor" | "legend" | "tzDate" | "axes"> {
  const colour = (name: string) => () => getComputedStyle(canvas).getPropertyValue(name).trim();
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: colour("--muted"), font, ticks: { show: false } };
  const { timeZone } = speech;
  const time = (tick: number, apart: number) => {
    const iso = new Date(tick * 1000).toISOString();
    return apart < 60 ? speech.clock(iso) : apart < 86_400 ? speech.minute(iso) : speech.day(iso);
  };
  return {
    padding: [8, 28, 0, 0],
    cursor: { show: false },
    legend: { show: false },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), timeZone),
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 24,
        space: 80,
        values: (_plot, ticks, _axis, _space, apart) => ticks.map((tick) => time(tick, apart)),
      },
      {
        ...axis,
        size: 44,
        space: 28,
        grid: { stroke: colour("--line"), width: 1 },
        values: (_plot, ticks) => ticks.map((tick) => String(tick)),
      },
    ],
  };
}

function plotSeries({ label, baseline }: TrendSeries, colour: (name: string) => () => string): uPlot.Series {
  const points = { show: false };
  return baseline
    ? { label, stroke: colour("--baseline"), width: 1.5, dash: [5, 4], points }
    : { label, stroke: colour("--loop"), width: 2, points };
}
