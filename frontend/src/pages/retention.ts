// How long each type of thing is kept.

import { readRetention, writeRetention } from "../calls/manage";
import type { Keep, Retention } from "../shapes";
import type { Context } from "../context";
import { ask } from "../dialog";
import { button, h, setText } from "../dom";
import { exportLinks } from "../parts/download";
import { matches, labelled, textFilter } from "../parts/filters";
import { Resource } from "../parts/resource";
import { type Column, DataTable } from "../parts/table";
import { actAs } from "../shell/acting";
import { type Page, pageHead } from "./page";

export class RetentionPage implements Page {
  readonly element: HTMLElement;
  private readonly text: HTMLInputElement;
  private readonly tally = h("span", { class: "tally" });
  private readonly table: DataTable<Retention>;
  private readonly resource: Resource<Retention[]>;

  constructor(private readonly context: Context) {
    const { speech } = context;
    const { words } = speech;
    const own = words.retention;
    this.text = textFilter(speech, () => this.draw());
    this.table = new DataTable(speech, {
      label: own.title,
      columns: this.columns(),
      key: (row) => row.type,
      mark: (row) => (row.changed_by === null ? "" : "changed"),
      empty: own.none,
    });
    this.resource = new Resource(speech, readRetention, () => this.draw(), 15_000);
    this.element = h(
      "section",
      { class: "page" },
      pageHead(own.title, own.help, ...exportLinks(speech, "retention")),
      h("div", { class: "filters" }, labelled(words.filter, this.text), this.tally),
      this.resource.element,
      this.table.element,
    );
  }

  dispose(): void {
    this.resource.dispose();
  }

  private draw(): void {
    const { words } = this.context.speech;
    const all = this.resource.value ?? [];
    const shown = all.filter((row) => matches(this.text.value, [row.type]));
    setText(this.tally, words.rows(String(shown.length), String(all.length)));
    this.table.show(shown, all.length > 0 ? words.noneMatch : words.retention.none);
  }

  private columns(): Column<Retention>[] {
    const { words } = this.context.speech;
    const own = words.retention;
    const edit = (row: Retention) =>
      h("div", { class: "acts" }, button(words.change, () => this.edit(row), { "data-act": "change", "aria-label": `${words.change} ${row.type}` }));
    return [
      { name: "type", label: own.type, cell: (row) => row.type, sort: (row) => row.type },
      { name: "raw", label: own.raw, numeric: true, cell: (row) => this.span(row.raw), sort: (row) => days(row.raw) },
      { name: "step", label: own.step, numeric: true, cell: (row) => this.step(row), sort: (row) => row.every_s ?? 0 },
      { name: "kept", label: own.kept, numeric: true, cell: (row) => this.span(row.kept), sort: (row) => days(row.kept) },
      { name: "declared", label: own.declared, cell: (row) => this.declared(row) },
      { name: "acts", label: words.alarm.acts, cell: edit },
    ];
  }

  private span(duration: string): string {
    const own = this.context.speech.words.retention;
    const count = Number(duration.slice(1, -1));
    return duration.endsWith("Y") ? own.years(count) : own.days(count);
  }

  private step({ every_s }: Keep): string {
    const own = this.context.speech.words.retention;
    return every_s === null ? own.notThinned : own.secondsText(every_s);
  }

  private declared(row: Retention): HTMLElement | string {
    if (row.changed_by === null) return "";
    const { declared } = row;
    const text = [this.span(declared.raw), this.step(declared), this.span(declared.kept)].join(" · ");
    return h("div", {}, text, h("small", {}, this.context.speech.words.retention.byPerson(row.changed_by)));
  }

  private async edit(row: Retention): Promise<void> {
    const { speech } = this.context;
    const own = speech.words.retention;
    const number = (value: number | null, required: boolean) => h("input", { type: "number", min: 1, max: 36500, step: 1, required, value: value ?? "" });
    const raw = number(days(row.raw), true);
    const every = number(row.every_s, false);
    const kept = number(days(row.kept), true);
    const sure = await ask(speech, {
      title: own.changeTitle(row.type),
      help: own.changeHelp,
      fields: [h("label", {}, own.rawDays, raw), h("label", {}, own.stepSeconds, every), h("label", {}, own.keptDays, kept)],
      yes: speech.words.save,
      danger: true,
    });
    if (!sure) return;
    const next = {
      type: row.type,
      raw: spanOf(raw, row.raw),
      every_s: every.value === "" ? null : Number(every.value),
      kept: spanOf(kept, row.kept),
    };
    await actAs(this.context, (by) => writeRetention([next], by));
    await this.resource.renew();
  }
}

/** Whole days of an ISO 8601 duration such as P90D or P5Y. */
function days(duration: string): number {
  const count = Number(duration.slice(1, -1));
  return duration.endsWith("Y") ? Math.ceil(count * 365.25) : count;
}

/** What a field of days says; the duration as it was where nobody changed it. */
function spanOf(field: HTMLInputElement, before: string): string {
  return Number(field.value) === days(before) ? before : `P${field.value}D`;
}
