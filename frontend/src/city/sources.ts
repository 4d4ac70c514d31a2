// In the place of the measures, where no twin stands for the streets: who speaks for the city, and
// how many of its sensors were heard.

import { readSensors } from "../calls/alarms";
import { readSources } from "../calls/manage";
import type { Context } from "../context";
import { h, setText } from "../dom";
import { Resource } from "../parts/resource";
import type { Sensor, Source } from "../shapes";

const SOURCES_MS = 3000;
const SENSORS_MS = 5000;
const MOST = 4; // the page of sources has them all

export class SourceStrip {
  readonly element: HTMLElement;
  private readonly heard = h("span", { class: "figure" }, "–");
  private readonly all = h("span", { class: "unit" });
  private readonly rows = h("tbody", { role: "rowgroup" });
  private readonly sources: Resource<Source[]>;
  private readonly sensors: Resource<Sensor[]>;

  constructor(private readonly context: Context) {
    const { speech } = context;
    const { real, sources: own } = speech.words;
    const labels = [own.state, own.rate, own.accepted, own.rejected];
    const head = h(
      "tr",
      { role: "row" },
      h("th", { scope: "col", role: "columnheader" }, own.name),
      ...labels.map((label) => h("th", { scope: "col", role: "columnheader" }, label)),
    );
    const table = h("table", { class: "told", role: "table", "aria-label": own.title }, h("thead", { role: "rowgroup" }, head), this.rows);
    this.element = h(
      "section",
      { class: "measures real", "aria-label": own.title },
      h("div", { class: "gain" }, h("h2", {}, real.title), h("div", { class: "headline" }, h("p", {}, this.heard, this.all))),
      h("div", { class: "told-frame" }, table),
      h("p", { class: "interval" }, real.help),
    );
    this.sources = new Resource(speech, readSources, (rows) => this.draw(rows), SOURCES_MS);
    this.sensors = new Resource(speech, readSensors, (rows) => this.count(rows), SENSORS_MS);
  }

  dispose(): void {
    this.sources.dispose();
    this.sensors.dispose();
  }

  private count(all: Sensor[]): void {
    const { speech } = this.context;
    const { real } = speech.words;
    setText(this.heard, all.length === 0 ? "–" : speech.count(all.filter((one) => one.last_seen !== null).length));
    setText(this.all, all.length === 0 ? real.none : real.ofAll(speech.count(all.length)));
  }

  private draw(all: Source[]): void {
    this.rows.replaceChildren(...all.slice(0, MOST).map((source) => this.row(source)));
  }

  private row(source: Source): HTMLElement {
    const { speech } = this.context;
    const { states } = speech.words.sources;
    const well = source.state === "ok" ? "yes" : source.state === "failing" ? "no" : "off";
    const state = h("span", { class: "condition", "data-well": well, title: source.reason }, states[source.state]);
    const figures = [source.rate_per_s, source.accepted_total, source.rejected_total];
    return h(
      "tr",
      { role: "row" },
      h("th", { scope: "row", role: "rowheader" }, h("a", { href: "#/sources" }, source.name)),
      h("td", { role: "cell" }, state),
      ...figures.map((figure) => h("td", { role: "cell" }, speech.count(figure))),
    );
  }
}
