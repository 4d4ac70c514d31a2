// Which devices deliver what they should.

import { readSensors } from "../calls/alarms";
import type { Sensor, SensorState } from "../shapes";
import type { Context } from "../context";
import { button, h, setText } from "../dom";
import { exportLinks } from "../parts/download";
import { choice, labelled, matches, textFilter } from "../parts/filters";
import { Resource } from "../parts/resource";
import { type Column, DataTable } from "../parts/table";
import { timeOf, today } from "../parts/time";
import { type Page, pageHead } from "./page";

const STATES: SensorState[] = ["silent", "frozen", "absurd", "never", "ok"];
const STEP = 200;

export class SensorPage implements Page {
  readonly element: HTMLElement;
  private readonly state: HTMLSelectElement;
  private readonly type: HTMLSelectElement;
  private readonly text: HTMLInputElement;
  private readonly tally = h("span", { class: "tally" });
  private readonly summary = h("dl", { class: "facts" });
  private readonly more: HTMLButtonElement;
  private readonly table: DataTable<Sensor>;
  private readonly resource: Resource<Sensor[]>;
  private limit = STEP;

  constructor(private readonly context: Context) {
    const { speech } = context;
    const { words } = speech;
    const own = words.alarm.sensors;
    const redraw = () => this.draw();
    const states = STATES.map((state): [string, string] => [state, own.states[state]]);
    this.state = choice(words.alarm.state, [["", words.filterAll], ...states], redraw);
    this.type = choice(own.type, [["", words.filterAll]], redraw);
    this.text = textFilter(speech, redraw);
    this.more = button(words.more, () => {
      this.limit += STEP;
      this.draw();
    });
    this.table = new DataTable(speech, { label: own.title, columns: this.columns(), key: (row) => `${row.type} ${row.id}`, stamp: () => today(context), empty: own.none });
    this.resource = new Resource(speech, readSensors, redraw, 10_000);
    this.element = h(
      "section",
      { class: "page" },
      pageHead(own.title, own.help, ...exportLinks(speech, "sensors")),
      this.summary,
      h(
        "div",
        { class: "filters" },
        labelled(words.alarm.state, this.state),
        labelled(own.type, this.type),
        labelled(words.filter, this.text),
        this.tally,
      ),
      this.resource.element,
      this.table.element,
      this.more,
    );
  }

  dispose(): void {
    this.resource.dispose();
  }

  private draw(): void {
    const { words } = this.context.speech;
    const own = words.alarm.sensors;
    const all = this.resource.value ?? [];
    this.offer(all);
    this.summarise(all);
    const found = all.filter((row) => this.wanted(row)).sort(worstFirst);
    setText(this.tally, words.rows(String(found.length), String(all.length)));
    this.more.hidden = found.length <= this.limit;
    this.table.show(found.slice(0, this.limit), all.length > 0 ? words.noneMatch : own.none);
  }

  private offer(all: Sensor[]): void {
    const types = [...new Set(all.map((row) => row.type))].sort();
    if (this.type.options.length === types.length + 1) return;
    const { value } = this.type;
    const options = types.map((type) => h("option", { value: type }, type));
    this.type.replaceChildren(h("option", { value: "" }, this.context.speech.words.filterAll), ...options);
    this.type.value = types.includes(value) ? value : "";
  }

  private summarise(all: Sensor[]): void {
    const { words } = this.context.speech;
    const own = words.alarm.sensors;
    const facts = STATES.toReversed()
      .map((state): [string, number] => [own.states[state], all.filter((row) => row.state === state).length])
      .filter(([, count], at) => count > 0 || at === 0);
    this.summary.replaceChildren(...facts.map(([name, count]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(count)))));
  }

  private wanted(row: Sensor): boolean {
    if (this.state.value !== "" && row.state !== this.state.value) return false;
    if (this.type.value !== "" && row.type !== this.type.value) return false;
    const name = row.junction === null ? "" : (this.context.names.get(row.junction) ?? "");
    return matches(this.text.value, [row.id, row.junction ?? "", name]);
  }

  private columns(): Column<Sensor>[] {
    const { speech, names, choose } = this.context;
    const { words } = speech;
    const own = words.alarm.sensors;
    const place = ({ junction }: Sensor) =>
      junction === null
        ? words.unknown
        : button(names.get(junction) ?? junction, () => choose(junction), { class: "name", "data-act": "place" });
    const seen = ({ last_seen: at }: Sensor) => (at === null ? words.never : timeOf(this.context, at));
    const told = ({ values }: Sensor) => speech.values(values).join(", ");
    return [
      { name: "id", label: own.id, cell: (row) => row.id, sort: (row) => row.id },
      { name: "type", label: own.type, cell: (row) => row.type, sort: (row) => row.type },
      { name: "junction", label: words.junction, cell: place, sort: (row) => row.junction ?? "" },
      { name: "state", label: words.alarm.state, cell: (row) => condition(row.state, own), sort: (row) => STATES.indexOf(row.state) },
      { name: "available", label: own.available, cell: ({ available_share: share }) => shareBar(share, own.available, words.unknown), sort: (row) => row.available_share ?? -1 },
      { name: "seen", label: own.lastSeen, cell: seen, sort: (row) => row.last_seen ?? "" },
      { name: "values", label: own.values, cell: told, sort: told },
      { name: "rejected", label: own.rejected, cell: (row) => speech.count(row.rejected), numeric: true, sort: (row) => row.rejected },
    ];
  }
}

function condition(state: SensorState, words: { states: Record<SensorState, string>; stateHelp: Record<SensorState, string> }): HTMLElement {
  const well = state === "ok" ? "yes" : state === "never" ? "off" : "no";
  return h("span", { class: "condition", "data-well": well, title: words.stateHelp[state] }, words.states[state]);
}

/** A share from 0 to 1 as a bar and a figure. */
export function shareBar(share: number | null, label: string, unknown: string): HTMLElement | string {
  if (share === null) return unknown;
  const bar = h("meter", { min: 0, max: 1, low: 0.9, optimum: 1, value: share, "aria-label": label });
  return h("span", { class: "share" }, bar, `${(share * 100).toFixed(share === 1 ? 0 : 1)} %`);
}

function worstFirst(a: Sensor, b: Sensor): number {
  return STATES.indexOf(a.state) - STATES.indexOf(b.state) || a.id.localeCompare(b.id, undefined, { numeric: true });
}
