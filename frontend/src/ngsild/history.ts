// An attribute over time: numbers as lines, one per instance; anything else as a list of when it
// became what.

import { readHistory } from "../calls/entities";
import type { Context } from "../context";
import { h, setText } from "../dom";
import { choice, labelled } from "../parts/filters";
import { LinePlot } from "../parts/plot";
import { Resource } from "../parts/resource";
import { type Column, DataTable } from "../parts/table";
import { timeOf, today } from "../parts/time";
import { type Entity, shortName } from "./entity";
import { isDrawn, type Moment, type Past } from "./past";
import { spoken } from "./value";

const LAST = [100, 500, 2000];
const LISTED = 100;
const RENEW_MS = 10_000;
const HEIGHT_PX = 220;

interface Row extends Moment {
  datasetId: string | null;
}

export class HistoryPart {
  readonly element: HTMLElement;
  private readonly attribute: HTMLSelectElement;
  private readonly last: HTMLSelectElement;
  private readonly note = h("p", { class: "help", role: "status" });
  private readonly place = h("div");
  private readonly table: DataTable<Row>;
  private resource: Resource<Past[]> | null = null;
  private plot: LinePlot | null = null;
  private entity: Entity | null = null;

  constructor(
    private readonly context: Context,
    private readonly id: string,
    private readonly named: string,
  ) {
    const { speech } = context;
    const own = speech.words.entity;
    const again = () => void this.restart();
    this.attribute = choice(own.attribute, [], again);
    this.last = choice(own.last, LAST.map((count) => [String(count), own.lastN(speech.count(count))]), again);
    this.table = new DataTable(speech, { label: own.history, columns: this.columns(), key: (row) => `${row.datasetId ?? ""} ${row.at}`, stamp: () => today(context), empty: own.noHistory });
    this.table.element.hidden = true;
    this.element = h(
      "section",
      { class: "card", "aria-label": own.history },
      h("h3", {}, own.history),
      h("p", { class: "help" }, own.historyHelp),
      h("div", { class: "filters" }, labelled(own.attribute, this.attribute), labelled(own.last, this.last)),
      this.place,
      this.note,
      this.table.element,
    );
  }

  /** The entity was read: offer its attributes, those that can be drawn first. */
  offer(entity: Entity): void {
    const first = this.entity === null;
    this.entity = entity;
    const names = entity.attributes.toSorted((a, b) => Number(isNumber(b)) - Number(isNumber(a))).map(({ name }) => name);
    const there = [...this.attribute.options].map((option) => option.value);
    if (there.join("\n") !== names.join("\n")) {
      const { value } = this.attribute;
      this.attribute.replaceChildren(...names.map((name) => h("option", { value: name }, shortName(name))));
      if (names.includes(value)) this.attribute.value = value;
    }
    if (first) void this.restart();
  }

  dispose(): void {
    this.resource?.dispose();
    this.plot?.dispose();
  }

  private async restart(): Promise<void> {
    if (this.attribute.value === "") return;
    this.plot?.dispose();
    this.plot = null;
    if (this.resource !== null) {
      await this.resource.restart();
      return;
    }
    const read = () => readHistory(this.id, this.attribute.value, Number(this.last.value), this.named);
    this.resource = new Resource(this.context.speech, read, (past) => this.show(past), RENEW_MS);
    this.place.before(this.resource.element);
  }

  private show(past: Past[]): void {
    const { speech } = this.context;
    const own = speech.words.entity;
    const rows = past.flatMap(({ datasetId, moments }) => moments.map((one): Row => ({ ...one, datasetId }))).sort((a, b) => b.at.localeCompare(a.at));
    const drawn = isDrawn(past);
    this.place.hidden = !drawn;
    this.table.element.hidden = drawn;
    if (drawn) this.draw(past);
    else this.table.show(rows.slice(0, LISTED));
    const [newest, oldest] = [rows[0], rows.at(-1)];
    setText(this.note, newest && oldest ? this.range(rows, oldest.at, newest.at, drawn) : own.noHistory);
  }

  private range(rows: Row[], first: string, last: string, drawn: boolean): string {
    const { speech, store } = this.context;
    const own = speech.words.entity;
    const when = (at: string) => speech.when(at, store.live?.city_time ?? null);
    const told = own.range(speech.count(rows.length), when(first), when(last));
    if (!drawn) return told;
    const values = rows.map(({ value }) => value).filter((value) => typeof value === "number");
    if (values.length === 0) return told;
    const extreme = (value: number) => spoken(speech, { value, unitCode: this.unit() });
    return `${told} · ${own.low} ${extreme(values.reduce((a, b) => Math.min(a, b)))} · ${own.high} ${extreme(values.reduce((a, b) => Math.max(a, b)))}`;
  }

  private draw(past: Past[]): void {
    const { speech } = this.context;
    if (this.plot?.lines !== past.length) {
      this.plot?.dispose();
      const label = speech.words.entity.historyOf(shortName(this.attribute.value));
      this.plot = new LinePlot(this.context, { label, lines: past.map(({ datasetId }) => datasetId ?? label), height: HEIGHT_PX });
      this.place.replaceChildren(this.plot.element);
    }
    this.plot.show(past.map(({ moments }) => moments.map(({ at, value }) => [Date.parse(at) / 1000, value === null ? null : Number(value)])));
  }

  private unit(): string | null {
    return this.entity?.attributes.find(({ name }) => name === this.attribute.value)?.instances[0]?.unitCode ?? null;
  }

  private columns(): Column<Row>[] {
    const { speech } = this.context;
    const own = speech.words.entity;
    const value = ({ value }: Row) => (typeof value === "object" && value !== null ? h("code", { class: "json" }, JSON.stringify(value)) : spoken(speech, { value, unitCode: this.unit() }));
    return [
      { name: "at", label: own.at, cell: ({ at }) => timeOf(this.context, at) },
      { name: "value", label: own.value, cell: value },
    ];
  }
}

function isNumber({ instances }: Entity["attributes"][number]): boolean {
  return instances.some(({ value }) => typeof value === "number");
}
