// The sources and what the gate turned away of each.

import { readRejects, readSources, replayRejects } from "../calls/manage";
import type { Reject, Source } from "../shapes";
import type { Context } from "../context";
import { ask } from "../dialog";
import { button, h } from "../dom";
import { exportLinks } from "../parts/download";
import { choice, labelled } from "../parts/filters";
import { Resource } from "../parts/resource";
import { type Column, DataTable } from "../parts/table";
import { timeOf, today } from "../parts/time";
import { actAs } from "../shell/acting";
import { type Page, pageHead } from "./page";

const READ = 200;

export class SourcePage implements Page {
  readonly element: HTMLElement;
  private readonly source: HTMLSelectElement;
  private readonly reason: HTMLSelectElement;
  private readonly table: DataTable<Source>;
  private readonly rejects: DataTable<Reject>;
  private readonly sources: Resource<Source[]>;
  private readonly turnedAway: Resource<Reject[]>;
  private readonly rejectPart: HTMLElement;
  private readonly again: HTMLButtonElement;

  constructor(private readonly context: Context) {
    const { speech } = context;
    const own = speech.words.sources;
    const chosen = () => {
      this.again.disabled = this.source.value === "";
      void this.turnedAway.renew();
    };
    this.again = button(own.replay, () => this.tryAgain(), { disabled: true, title: own.replayFirst });
    this.source = choice(own.name, [["", own.anySource]], chosen);
    this.reason = choice(own.reason, [["", own.anyReason]], chosen);
    this.table = new DataTable(speech, { label: own.title, columns: this.columns(), key: (row) => row.name, stamp: () => today(context), empty: own.none });
    this.rejects = new DataTable(speech, {
      label: own.rejects,
      columns: this.rejectColumns(),
      key: (row) => `${row.source} ${row.number}`,
      stamp: () => today(context),
      empty: own.noRejects,
    });
    this.sources = new Resource(speech, readSources, (rows) => this.draw(rows), 3000);
    const read = () => readRejects(this.source.value, this.reason.value, READ);
    this.turnedAway = new Resource(speech, read, (rows) => this.rejects.show(rows), 5000);
    this.rejectPart = h(
      "section",
      { class: "card", "aria-label": own.rejects },
      h("div", { class: "heading" }, h("h3", { tabindex: -1 }, own.rejects), ...exportLinks(speech, "rejects")),
      h("p", { class: "help" }, own.rejectsHelp),
      h("div", { class: "filters" }, labelled(own.name, this.source), labelled(own.reason, this.reason), this.again),
      this.turnedAway.element,
      this.rejects.element,
    );
    const head = pageHead(own.title, own.help, ...exportLinks(speech, "sources"));
    this.element = h("section", { class: "page" }, head, this.sources.element, this.table.element, this.rejectPart);
  }

  dispose(): void {
    this.sources.dispose();
    this.turnedAway.dispose();
  }

  private draw(rows: Source[]): void {
    const own = this.context.speech.words.sources;
    this.table.show(rows);
    offer(this.source, own.anySource, rows.map((row) => row.name));
    offer(this.reason, own.anyReason, [...new Set(rows.flatMap((row) => Object.keys(row.rejected_by_reason)))].sort());
  }

  private look(source: string): void {
    this.source.value = source;
    this.source.dispatchEvent(new Event("change"));
    this.rejectPart.querySelector<HTMLElement>("h3")?.focus();
  }

  private async tryAgain(): Promise<void> {
    const { speech } = this.context;
    const own = speech.words.sources;
    const source = this.source.value;
    const sure = await ask(speech, { title: own.replayTitle(source), help: own.replayHelp, fields: [], yes: own.replayYes });
    if (!sure) return;
    await actAs(this.context, (by) => replayRejects(source, this.reason.value, by));
    await this.turnedAway.renew();
  }

  private columns(): Column<Source>[] {
    const { speech } = this.context;
    const own = speech.words.sources;
    const state = ({ state, reason }: Source) => {
      const well = state === "failing" ? "no" : state === "ok" ? "yes" : "off";
      const why = reason === "" ? [] : [h("small", { lang: "en" }, reason)];
      return h("div", {}, h("span", { class: "condition", "data-well": well }, own.states[state]), ...why);
    };
    const seen = ({ last_seen: at }: Source) => (at === null ? speech.words.never : timeOf(this.context, at));
    const rejected = (row: Source) => {
      if (row.rejected_total === 0) return "0";
      const count = `${speech.count(row.rejected_total)} `;
      return h("span", { class: "nowrap" }, count, button(own.show, () => this.look(row.name), { "data-act": "rejects", "aria-label": `${own.show}: ${own.rejects}, ${row.name}` }));
    };
    return [
      { name: "name", label: own.name, cell: (row) => row.name, sort: (row) => row.name },
      { name: "kind", label: own.kind, cell: (row) => row.kind, sort: (row) => row.kind },
      { name: "state", label: own.state, cell: state, sort: (row) => row.state },
      { name: "entities", label: own.entities, numeric: true, cell: (row) => speech.count(row.entities), sort: (row) => row.entities },
      { name: "rate", label: own.rate, numeric: true, cell: (row) => row.rate_per_s.toFixed(row.rate_per_s < 10 ? 1 : 0), sort: (row) => row.rate_per_s },
      { name: "seen", label: own.lastSeen, cell: seen, sort: (row) => row.last_seen ?? "" },
      { name: "lag", label: own.lag, numeric: true, cell: (row) => (row.lag_s === null ? speech.words.unknown : speech.age(row.lag_s)), sort: (row) => row.lag_s ?? -1 },
      { name: "accepted", label: own.accepted, numeric: true, cell: (row) => speech.count(row.accepted_total), sort: (row) => row.accepted_total },
      { name: "rejected", label: own.rejected, numeric: true, cell: rejected, sort: (row) => row.rejected_total },
      { name: "dropped", label: own.dropped, numeric: true, cell: (row) => speech.count(row.dropped_total), sort: (row) => row.dropped_total },
    ];
  }

  private rejectColumns(): Column<Reject>[] {
    const { speech } = this.context;
    const own = speech.words.sources;
    const at = (row: Reject) => (row.at === null ? speech.words.unknown : timeOf(this.context, row.at));
    return [
      { name: "at", label: own.at, cell: at },
      { name: "source", label: own.name, cell: (row) => row.source },
      { name: "entity", label: own.entity, cell: (row) => row.entity },
      { name: "attribute", label: own.attribute, cell: (row) => row.attribute },
      { name: "value", label: own.value, cell: (row) => h("code", {}, row.value) },
      { name: "reason", label: own.reason, cell: (row) => h("span", { lang: "en" }, row.reason) },
    ];
  }
}

/** Gives a choice its options where they changed, and keeps what was chosen. */
function offer(field: HTMLSelectElement, all: string, values: string[]): void {
  const there = [...field.options].slice(1).map((option) => option.value);
  if (there.join("\n") === values.join("\n")) return;
  const { value } = field;
  field.replaceChildren(h("option", { value: "" }, all), ...values.map((one) => h("option", { value: one }, one)));
  field.value = values.includes(value) ? value : "";
}
