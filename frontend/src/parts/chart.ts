// The two travel times over the run, drawn by uPlot.

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Trend } from "./api";
import { h } from "./dom";
import type { Speech } from "./words";

const HEIGHT_PX = 150;

export class Chart {
  readonly element: HTMLElement;
  private readonly plot: uPlot;
  private readonly empty: HTMLElement;
  private shown = "";

  constructor(speech: Speech) {
    const { words, timeZone } = speech;
    const canvas = h("div", { class: "plot", role: "img", "aria-label": words.chart });
    this.empty = h("p", { class: "empty" }, words.chartEmpty);
    this.element = h("div", { class: "chart" }, canvas, this.empty);
    this.plot = new uPlot(options(canvas, speech, timeZone), [[], [], []], canvas);
    new ResizeObserver(() => {
      const width = Math.floor(canvas.clientWidth);
      if (width > 0) this.plot.setSize({ width, height: HEIGHT_PX });
    }).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.plot.redraw());
  }

  show(trend: Trend): void {
    const last = `${trend.run} ${trend.city_time.at(-1) ?? ""}`;
    if (last === this.shown) return;
    this.shown = last;
    this.empty.hidden = trend.city_time.length > 1;
    const times = trend.city_time.map((iso) => Date.parse(iso) / 1000);
    this.plot.setData([times, trend.att_loop_s, trend.att_baseline_s]);
  }
}

function options(canvas: HTMLElement, speech: Speech, timeZone: string): uPlot.Options {
  const colour = (name: string) => () => getComputedStyle(canvas).getPropertyValue(name).trim();
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: colour("--muted"), font, ticks: { show: false } };
  const toMinute = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone } as const;
  const minutes = new Intl.DateTimeFormat(speech.tag, toMinute);
  const time = (tick: number, apart: number) =>
    apart < 60 ? speech.clock(new Date(tick * 1000).toISOString()) : minutes.format(new Date(tick * 1000));
  return {
    width: 300,
    height: HEIGHT_PX,
    padding: [8, 28, 0, 0],
    cursor: { show: false },
    legend: { show: false },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), timeZone),
    scales: { y: { range: (_plot, _low, high) => [0, Math.max(60, high * 1.08)] } },
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
    series: [
      {},
      { stroke: colour("--loop"), width: 2, points: { show: false } },
      { stroke: colour("--baseline"), width: 1.5, dash: [5, 4], points: { show: false } },
    ],
  };
}
