// The measures over the run: one chart each, with its picture and its figures to take away.

import { readTrend } from "../api";
import type { Trend } from "../shapes";
import type { Context } from "../context";
import { button, h, setText } from "../dom";
import { csvButton, exportLinks, save } from "../parts/download";
import { Resource } from "../parts/resource";
import { TrendChart, type TrendColumn, type TrendOptions, travelTime } from "../parts/trend";
import type { Words } from "../words";
import { MeasureStrip } from "../city/measures";
import { type Page, pageHead } from "./page";

const HEIGHT_PX = 240;

export class MeasurePage implements Page {
  readonly element: HTMLElement;
  private readonly strip: MeasureStrip;
  private readonly charts: { chart: TrendChart; now: HTMLElement; columns: TrendColumn[] }[] = [];
  private readonly resource: Resource<Trend>;

  constructor(private readonly context: Context) {
    const { speech } = context;
    const { words } = speech;
    this.strip = new MeasureStrip(context);
    const cards = chartsOf(words).map((one) => this.card(one.title, one.unit, one));
    this.resource = new Resource(speech, readTrend, (trend) => this.draw(trend), 20_000);
    this.element = h(
      "section",
      { class: "page" },
      pageHead(words.measures, words.measureHelp, ...exportLinks(speech, "measures")),
      this.strip.element,
      this.resource.element,
      h("div", { class: "charts" }, ...cards),
    );
  }

  show(): void {
    this.strip.show();
  }

  dispose(): void {
    this.resource.dispose();
    for (const { chart } of this.charts) chart.dispose();
  }

  private draw(trend: Trend): void {
    const { speech } = this.context;
    for (const { chart, now, columns } of this.charts) {
      chart.show(trend);
      const last = columns.map((column) => {
        const value = trend[column].at(-1) ?? null;
        return value === null || column.endsWith("_s") ? speech.seconds(value) : speech.count(value);
      });
      setText(now, last.join(" / "));
    }
  }

  private card(title: string, unit: string, options: Omit<TrendOptions, "height">): HTMLElement {
    const { speech, store } = this.context;
    const { words } = speech;
    const chart = new TrendChart(this.context, { ...options, height: HEIGHT_PX });
    const now = h("span", { class: "now-figures" });
    const columns = options.series.map((one) => one.column);
    this.charts.push({ chart, now, columns });
    const name = `${store.map.city} ${title}`;
    const png = button("PNG", async () => save(await chart.picture(`${name}, ${unit}`), `${name}.png`), {
      "aria-label": `${words.download} PNG: ${title}`,
    });
    const csv = csvButton(speech, name, () => csvRows(this.resource.value, options));
    return h(
      "section",
      { class: "card", "aria-label": title },
      h("div", { class: "heading" }, h("h3", {}, title, h("small", {}, unit)), png, csv),
      legend(options, now),
      chart.element,
    );
  }
}

function legend(options: Omit<TrendOptions, "height">, now: HTMLElement): HTMLElement {
  const keys = options.series.map((one) => h("span", { class: one.baseline ? "line baseline" : "line" }, one.label));
  return h("p", { class: "line-keys" }, ...keys, now);
}

function csvRows(trend: Trend | null, options: Omit<TrendOptions, "height">): (string | number | null)[][] {
  const columns = options.series.map((one) => one.column);
  const rows = (trend?.city_time ?? []).map((at, row) => [at, ...columns.map((column) => trend?.[column][row] ?? null)]);
  return [["city_time", ...columns], ...rows];
}

function chartsOf(words: Words): (Omit<TrendOptions, "height"> & { title: string; unit: string })[] {
  const pair = (title: string, unit: string, loop: TrendColumn, baseline: TrendColumn) => ({
    title,
    unit,
    label: words.chartOf(title),
    series: [
      { label: words.loop, column: loop, baseline: false },
      { label: words.baseline, column: baseline, baseline: true },
    ],
  });
  return [
    { title: words.travelTime, unit: words.secondsUnit, ...travelTime(words) },
    pair(words.delay, words.secondsUnit, "delay_loop_s", "delay_baseline_s"),
    pair(words.inNetwork, words.vehicles, "vehicles", "baseline_vehicles"),
    {
      title: words.waiting,
      unit: words.vehicles,
      label: words.chartOf(words.waiting),
      series: [{ label: words.loop, column: "waiting", baseline: false }],
    },
  ];
}
