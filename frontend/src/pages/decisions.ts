// The decisions, filtered by junction, loop, what became of them, and any word of them.

import { readDecisions } from "../api";
import type { Decision } from "../shapes";
import type { Context } from "../context";
import { button, h, setText } from "../dom";
import { reason } from "../parts/decision";
import { exportLinks } from "../parts/download";
import { choice, labelled, matches, textFilter } from "../parts/filters";
import { Resource } from "../parts/resource";
import { type Column, DataTable } from "../parts/table";
import { timeOf, today } from "../parts/time";
import { type Page, pageHead } from "./page";

const READ = 1000;
const STEP = 100;

type Fate = "" | "passed" | "refused" | "waiting" | "operator" | "fate";

export class DecisionPage implements Page {
  readonly element: HTMLElement;
  private readonly junction: HTMLSelectElement;
  private readonly loop: HTMLSelectElement;
  private readonly fate: HTMLSelectElement;
  private readonly text: HTMLInputElement;
  private readonly tally = h("span", { class: "tally" });
  private readonly newer: HTMLButtonElement;
  private readonly more: HTMLButtonElement;
  private readonly table: DataTable<Decision>;
  private readonly resource: Resource<Decision[]>;
  private limit = STEP;
  private held = false;
  private shownNumber = -1;

  constructor(private readonly context: Context) {
    const { speech, names, store } = context;
    const { words } = speech;
    const redraw = () => {
      this.limit = STEP;
      this.draw();
    };
    const junctions = [...names].map(([id, name]): [string, string] => [id, name]);
    const loops = store.map.loops.map(({ name }): [string, string] => [name, name]);
    this.junction = choice(words.junction, [["", words.filterAll], ...junctions], () => {
      redraw();
      void this.resource.renew(); // this junction's older ones
    });
    this.loop = choice(words.loop, [["", words.filterAll], ...loops], redraw);
    this.fate = choice(words.decision.fate, Object.entries(words.decision.fates), redraw);
    this.text = textFilter(speech, redraw);
    for (const [name, field] of Object.entries({ junction: this.junction, loop: this.loop, fate: this.fate })) field.name = name;
    this.newer = button("", () => this.draw(), { class: "newer", hidden: true });
    this.more = button(words.more, () => {
      this.limit += STEP;
      this.draw();
    });
    this.table = new DataTable(speech, {
      label: words.decisions,
      columns: this.columns(),
      key: (row) => row.id,
      stamp: () => today(context),
      empty: words.noDecisions,
      mark: (row) => (row.refused ? "refused" : row.waiting_for_confirmation ? "waiting" : ""),
      keys: { Enter: (row) => this.context.choose(row.junction) },
    });
    this.hold();
    this.resource = new Resource(speech, () => readDecisions(READ, this.junction.value || undefined), () => this.show(), 60_000);
    this.element = h(
      "section",
      { class: "page" },
      pageHead(words.decisions, words.decision.help, ...exportLinks(speech, "decisions")),
      h(
        "div",
        { class: "filters" },
        labelled(words.junction, this.junction),
        labelled(words.loop, this.loop),
        labelled(words.decision.fate, this.fate),
        labelled(words.filter, this.text),
        this.newer,
        this.tally,
      ),
      this.resource.element,
      this.table.element,
      this.more,
    );
  }

  show(): void {
    const newest = Math.max(this.context.store.newest, this.resource.value?.[0]?.number ?? 0);
    if (newest === this.shownNumber) return;
    if (!this.held || this.shownNumber <= 0) {
      this.draw();
      return;
    }
    this.newer.hidden = false;
    setText(this.newer, this.context.speech.words.newer(newest - this.shownNumber));
  }

  dispose(): void {
    this.resource.dispose();
  }

  /** Nothing moves under a pointer or a focus. */
  private hold(): void {
    const { element } = this.table;
    const set = (held: boolean) => () => {
      this.held = held;
      if (!held) this.show();
    };
    element.addEventListener("pointerenter", set(true));
    element.addEventListener("pointerleave", set(false));
    element.addEventListener("focusin", set(true));
    element.addEventListener("focusout", set(false));
  }

  private rows(): Decision[] {
    const { store } = this.context;
    if (store.replay !== null) return store.decisions;
    const known = new Map(store.decisions.map((row) => [row.id, row]));
    for (const row of this.resource.value ?? []) {
      const there = known.get(row.id);
      if (!there || there.number < row.number) known.set(row.id, row);
    }
    return [...known.values()].sort((a, b) => b.city_time.localeCompare(a.city_time) || b.number - a.number);
  }

  private draw(): void {
    const { speech, store } = this.context;
    const { words } = speech;
    const all = this.rows();
    const found = all.filter((row) => this.wanted(row));
    this.newer.hidden = true;
    this.shownNumber = Math.max(store.newest, this.resource.value?.[0]?.number ?? 0);
    setText(this.tally, words.rows(speech.count(found.length), speech.count(all.length)));
    this.more.hidden = found.length <= this.limit;
    this.table.show(found.slice(0, this.limit), all.length > 0 ? words.noneMatch : words.noDecisions);
  }

  private wanted(row: Decision): boolean {
    if (this.junction.value !== "" && row.junction !== this.junction.value) return false;
    if (this.loop.value !== "" && row.loop !== this.loop.value) return false;
    if (!hasFate(row, this.fate.value as Fate)) return false;
    const { speech, names } = this.context;
    const texts = [row.reason, reason(row, speech).textContent, row.verdict, row.junction, names.get(row.junction) ?? ""];
    return matches(this.text.value, [...texts, speech.action(row.action, row.phase)]);
  }

  private columns(): Column<Decision>[] {
    const { speech, names, choose } = this.context;
    const { words } = speech;
    const place = (row: Decision) =>
      button(names.get(row.junction) ?? row.junction, () => choose(row.junction), { class: "name", "data-act": "place" });
    return [
      {
        name: "at",
        label: words.decision.at,
        cell: (row) => timeOf(this.context, row.city_time),
        sort: (row) => row.city_time,
      },
      { name: "junction", label: words.junction, cell: place, sort: (row) => names.get(row.junction) ?? row.junction },
      { name: "deed", label: words.decision.deed, cell: (row) => h("span", { class: "nowrap" }, speech.action(row.action, row.phase)) },
      {
        name: "verdict",
        label: words.decision.fate,
        cell: (row) => h("span", { class: "verdict nowrap" }, row.refused ? words.refused : speech.verdict(row.verdict, row.mode)),
        sort: (row) => row.verdict,
      },
      { name: "reason", label: words.reason, cell: (row) => h("div", {}, reason(row, speech), h("small", {}, row.loop)) },
    ];
  }
}

function hasFate(row: Decision, fate: Fate): boolean {
  if (fate === "refused") return row.refused;
  if (fate === "passed") return row.verdict === "passed" && row.mode === "act";
  if (fate === "waiting") return row.waiting_for_confirmation;
  if (fate === "operator") return row.loop === "operator";
  if (fate === "fate") return ["confirmed", "rejected", "lapsed", "overtaken"].includes(row.verdict);
  return true;
}
