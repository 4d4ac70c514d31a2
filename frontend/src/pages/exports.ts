// Every table of any run, to take away.

import { readRuns } from "../api";
import type { Run } from "../shapes";
import type { Context } from "../context";
import { h } from "../dom";
import { exportLinks } from "../parts/download";
import { labelled } from "../parts/filters";
import { Resource } from "../parts/resource";
import { DataTable } from "../parts/table";
import { instantOf, localOf } from "../words";
import { type Page, pageHead } from "./page";

interface Table {
  table: string;
  query: string;
}

export class ExportPage implements Page {
  readonly element: HTMLElement;
  private readonly run: HTMLSelectElement;
  private readonly since = h("input", { type: "datetime-local", step: 1 });
  private readonly until = h("input", { type: "datetime-local", step: 1 });
  private readonly table: DataTable<Table>;
  private readonly resource: Resource<Run[]>;

  constructor(private readonly context: Context) {
    const { speech } = context;
    const own = speech.words.exports;
    this.run = h("select");
    for (const field of [this.run, this.since, this.until]) field.addEventListener("change", () => this.draw());
    this.table = new DataTable(speech, {
      label: own.title,
      key: (row) => row.table,
      empty: own.none,
      columns: [
        { name: "table", label: own.table, cell: ({ table }) => own.tables[table]?.[0] ?? table },
        { name: "holds", label: own.holds, cell: ({ table }) => own.tables[table]?.[1] ?? "" },
        {
          name: "acts",
          label: speech.words.download,
          cell: ({ table, query }) => h("div", { class: "acts" }, ...exportLinks(speech, table, query)),
        },
      ],
    });
    this.resource = new Resource(speech, readRuns, (runs) => this.offer(runs), 30_000);
    this.element = h(
      "section",
      { class: "page" },
      pageHead(own.title, own.help),
      h("div", { class: "filters" }, labelled(own.run, this.run), labelled(own.since, this.since), labelled(own.until, this.until)),
      h("p", { class: "help" }, own.zone(speech.timeZone)),
      this.resource.element,
      this.table.element,
    );
  }

  dispose(): void {
    this.resource.dispose();
  }

  private offer(runs: Run[]): void {
    const { speech } = this.context;
    const own = speech.words.exports;
    if (this.run.options.length !== runs.length) {
      const { value } = this.run;
      const options = runs
        .toSorted((a, b) => b.begins.localeCompare(a.begins))
        .map(({ run, begins, ends }) =>
          h("option", { value: run }, `${run}: ${own.runs(speech.when(begins, null), speech.when(ends, begins))}`),
        );
      this.run.replaceChildren(...options);
      if (value !== "") this.run.value = value;
    }
    this.draw();
  }

  private draw(): void {
    const { words, timeZone } = this.context.speech;
    const run = this.resource.value?.find((one) => one.run === this.run.value);
    if (!run) {
      this.table.show([]);
      return;
    }
    const [begins, ends] = [localOf(run.begins, timeZone), localOf(run.ends, timeZone)];
    for (const field of [this.since, this.until]) Object.assign(field, { min: begins, max: ends });
    const query = new URLSearchParams({ run: run.run });
    if (this.since.value !== "") query.set("since", instantOf(this.since.value, timeZone));
    if (this.until.value !== "") query.set("until", instantOf(this.until.value, timeZone));
    this.table.show(Object.keys(words.exports.tables).map((table) => ({ table, query: `?${query}` })));
  }
}
