// The shift log: notes that people write, and what was done, each with its time and its name.

import { readShiftLog, writeShiftLog } from "../calls/alarms";
import type { NoteKind, ShiftEntry } from "../shapes";
import type { Context } from "../context";
import { h, setText } from "../dom";
import { exportLinks } from "../parts/download";
import { choice, labelled, matches, textFilter } from "../parts/filters";
import { Resource } from "../parts/resource";
import { type Column, DataTable } from "../parts/table";
import { timeOf, today } from "../parts/time";
import { actAs } from "../shell/acting";
import type { Speech } from "../words";
import { type Page, pageHead } from "./page";

const BY_HAND: readonly NoteKind[] = ["note", "handover", "incident", "maintenance"];

export class ShiftPage implements Page {
  readonly element: HTMLElement;
  private readonly kind: HTMLSelectElement;
  private readonly text: HTMLInputElement;
  private readonly tally = h("span", { class: "tally" });
  private readonly table: DataTable<ShiftEntry>;
  private readonly resource: Resource<ShiftEntry[]>;

  constructor(private readonly context: Context) {
    const { speech } = context;
    const { words } = speech;
    const log = words.alarm.shift;
    const redraw = () => this.draw();
    this.kind = choice(log.kind, [["", words.filterAll], ...Object.entries(log.kinds)], redraw);
    this.text = textFilter(speech, redraw);
    this.table = new DataTable(speech, {
      label: log.title,
      columns: this.columns(),
      key: (entry) => String(entry.number),
      stamp: () => today(context),
      empty: log.none,
    });
    this.resource = new Resource(speech, readShiftLog, redraw);
    this.element = h(
      "section",
      { class: "page" },
      pageHead(log.title, log.help, ...exportLinks(speech, "shift-log")),
      this.form(),
      h("div", { class: "filters" }, labelled(log.kind, this.kind), labelled(words.filter, this.text), this.tally),
      this.resource.element,
      this.table.element,
    );
  }

  dispose(): void {
    this.resource.dispose();
  }

  private draw(): void {
    const { words } = this.context.speech;
    const all = (this.resource.value ?? []).toSorted((a, b) => b.number - a.number);
    const shown = all.filter((entry) => this.wanted(entry));
    setText(this.tally, words.rows(String(shown.length), String(all.length)));
    this.table.show(shown, all.length > 0 ? words.noneMatch : words.alarm.shift.none);
  }

  private wanted(entry: ShiftEntry): boolean {
    if (this.kind.value !== "" && entry.kind !== this.kind.value) return false;
    return matches(this.text.value, [entry.text, entry.by]);
  }

  private form(): HTMLElement {
    const { words } = this.context.speech;
    const log = words.alarm.shift;
    const text = h("textarea", { name: "note", required: true, maxlength: 2000, rows: 2, placeholder: log.placeholder });
    const kind = h("select", { name: "kind" }, ...BY_HAND.map((value) => h("option", { value }, log.kinds[value] ?? value)));
    const add = h("button", { type: "submit", class: "strong" }, log.add);
    const form = h(
      "form",
      { class: "card compose", "aria-label": log.write },
      h("label", { class: "compose" }, log.note, text),
      h("div", { class: "acts" }, h("label", {}, `${log.kind} `, kind), add),
    );
    text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.write(BY_HAND[kind.selectedIndex] ?? "note", text);
    });
    return form;
  }

  private async write(kind: NoteKind, text: HTMLTextAreaElement): Promise<void> {
    if (text.value.trim() === "") return;
    const written = await actAs(this.context, (by) => writeShiftLog(by, kind, text.value.trim()));
    if (!written) return; // what was not taken stays to be sent again
    text.value = "";
    await this.resource.renew();
  }

  private columns(): Column<ShiftEntry>[] {
    const log = this.context.speech.words.alarm.shift;
    return [
      { name: "at", label: log.at, cell: (entry) => timeOf(this.context, entry.at) },
      { name: "kind", label: log.kind, cell: (entry) => log.kinds[entry.kind] ?? entry.kind, sort: (entry) => entry.kind },
      { name: "by", label: log.by, cell: (entry) => entry.by, sort: (entry) => entry.by },
      { name: "text", label: log.text, cell: (entry) => said(entry, this.context.speech) },
    ];
  }
}

/** What an entry says: of its kind and figures, else the record's own sentence. */
function said(entry: ShiftEntry, speech: Speech): string {
  const { acts, handled, alarm } = speech.words;
  const { act, kind, note } = entry.data;
  const done = typeof act === "string" ? handled[act] : undefined;
  const what = typeof kind === "string" ? alarm.kinds[kind] : undefined;
  if (entry.kind === "alarm" && done && what) {
    const why = typeof note === "string" && note !== "" ? `（${note}）` : "";
    return `${done}：${what(entry.data)}${why}`;
  }
  return acts[entry.kind]?.(entry.data) ?? entry.text;
}
