// The alarms: open, shelved and closed, and what a person does about them.

import { readAlarms } from "../calls/alarms";
import type { Alarm } from "../shapes";
import { isOpen } from "../city/alarms";
import type { Context } from "../context";
import { button, h, setText } from "../dom";
import { AlarmActs, alarmPlace, alarmText, byUrgency, mayAcknowledge, severityMark } from "../parts/alarm";
import { exportLinks } from "../parts/download";
import { choice, labelled, matches, Segments, textFilter } from "../parts/filters";
import { Resource } from "../parts/resource";
import { type Column, DataTable } from "../parts/table";
import { timeOf, today } from "../parts/time";
import { type Page, pageHead } from "./page";

type View = "open" | "shelved" | "closed";

export class AlarmPage implements Page {
  readonly element: HTMLElement;
  private readonly acts: AlarmActs;
  private readonly views: Segments<View>;
  private readonly group: HTMLSelectElement;
  private readonly text: HTMLInputElement;
  private readonly tally = h("span", { class: "tally", role: "status" });
  private readonly table: DataTable<Alarm>;
  private readonly resource: Resource<Alarm[]>;
  private drawn = "";

  constructor(private readonly context: Context) {
    const { speech } = context;
    const { words } = speech;
    const redraw = () => this.draw();
    this.acts = new AlarmActs(context);
    const views = (["open", "shelved", "closed"] as const).map((view): [View, string] => [view, words.alarm.views[view]]);
    this.views = new Segments(words.alarm.view, views, "open", redraw);
    this.group = choice(words.alarm.group, [["", words.filterAll], ...Object.entries(words.alarm.groups)], redraw);
    this.text = textFilter(speech, redraw);
    this.table = new DataTable(speech, {
      label: words.alarm.title,
      columns: this.columns(),
      key: (alarm) => alarm.id,
      empty: words.alarm.none.open,
      stamp: () => today(context),
      mark: (alarm) => alarm.state,
      keys: { a: this.acts.acknowledge, s: this.acts.shelve, e: this.acts.escalate, Enter: (alarm) => this.go(alarm) },
    });
    this.resource = new Resource(speech, () => readAlarms("all"), redraw);
    const bar = h("div", { class: "filters" }, this.views.element, labelled(words.alarm.group, this.group), labelled(words.filter, this.text), this.tally);
    const head = pageHead(words.alarm.title, words.alarm.help, ...exportLinks(speech, "alarms"));
    this.element = h("section", { class: "page" }, head, bar, this.resource.element, this.table.element);
  }

  show(): void {
    const numbers = [...this.context.store.alarms.values()].map((alarm) => alarm.number);
    const stamp = `${numbers.join(" ")} ${today(this.context)}`;
    if (stamp === this.drawn) return;
    this.drawn = stamp;
    this.draw();
  }

  dispose(): void {
    this.resource.dispose();
  }

  /** The stream tells the newest of each; what is closed is only in what was read. */
  private alarms(): Alarm[] {
    const newest = new Map((this.resource.value ?? []).map((alarm) => [alarm.id, alarm]));
    for (const alarm of this.context.store.alarms.values()) {
      if ((newest.get(alarm.id)?.number ?? -1) < alarm.number) newest.set(alarm.id, alarm);
    }
    return [...newest.values()].sort(byUrgency);
  }

  private draw(): void {
    const { words } = this.context.speech;
    const all = this.alarms();
    const of = { open: all.filter(isOpen), shelved: all.filter((a) => a.state === "shelved"), closed: all.filter((a) => a.state === "closed") };
    for (const view of ["open", "shelved", "closed"] as const) this.views.rename(view, `${words.alarm.views[view]} ${of[view].length}`);
    const here = of[this.views.chosen];
    const shown = here.filter((alarm) => this.wanted(alarm));
    setText(this.tally, words.rows(String(shown.length), String(here.length)));
    this.table.show(shown, here.length > 0 ? words.noneMatch : words.alarm.none[this.views.chosen]);
  }

  private wanted(alarm: Alarm): boolean {
    const { speech, names } = this.context;
    if (this.group.value !== "" && alarm.group !== this.group.value) return false;
    const place = alarm.junction === null ? "" : (names.get(alarm.junction) ?? "");
    return matches(this.text.value, [alarmText(alarm, speech).textContent, alarm.text, alarm.subject, alarm.junction ?? "", place]);
  }

  private go(alarm: Alarm): void {
    if (alarm.junction !== null) this.context.choose(alarm.junction);
  }

  private columns(): Column<Alarm>[] {
    const { speech } = this.context;
    const { words } = speech;
    const rank = ["critical", "high", "medium", "low"];
    return [
      { name: "severity", label: words.alarm.severity, cell: (alarm) => severityMark(alarm.severity, speech), sort: (alarm) => rank.indexOf(alarm.severity) },
      { name: "what", label: words.alarm.what, cell: (alarm) => this.what(alarm) },
      { name: "where", label: words.alarm.where, cell: (alarm) => alarmPlace(alarm, this.context), sort: (alarm) => alarm.junction ?? alarm.subject },
      {
        name: "since",
        label: words.alarm.since,
        cell: (alarm) => timeOf(this.context, alarm.raised_at),
        sort: (alarm) => alarm.raised_at,
      },
      { name: "state", label: words.alarm.state, cell: (alarm) => this.state(alarm), sort: (alarm) => alarm.state },
      { name: "acts", label: words.alarm.acts, cell: (alarm) => this.buttons(alarm) },
    ];
  }

  private what(alarm: Alarm): HTMLElement {
    const { speech } = this.context;
    const { words } = speech;
    const group = words.alarm.groups[alarm.group] ?? alarm.group;
    const again = alarm.occurrences && alarm.occurrences > 1 ? ` · ${words.alarm.occurrences(alarm.occurrences)}` : "";
    return h("div", {}, alarmText(alarm, speech), h("small", {}, group + again));
  }

  private state(alarm: Alarm): HTMLElement {
    const { speech } = this.context;
    const { words } = speech;
    const lines = [];
    if (alarm.acknowledged_by !== null) lines.push(words.alarm.byPerson(alarm.acknowledged_by));
    if (alarm.escalated_to !== null) lines.push(words.alarm.toPerson(alarm.escalated_to));
    if (alarm.state === "shelved" && alarm.shelved_until !== null) {
      lines.push(words.alarm.until(speech.when(alarm.shelved_until, new Date().toISOString()), alarm.shelve_reason ?? ""));
    }
    return h("div", {}, words.alarm.states[alarm.state], ...lines.map((line) => h("small", {}, line)));
  }

  private buttons(alarm: Alarm): HTMLElement {
    const { words } = this.context.speech;
    const acts = h("div", { class: "acts" });
    const add = (name: string, label: string, act: (alarm: Alarm) => Promise<void>) => {
      acts.append(button(label, () => act(alarm), { "data-act": name }));
    };
    if (alarm.state === "closed" || alarm.number === 0) return acts; // what is not on record takes no act
    if (mayAcknowledge(alarm)) add("acknowledge", words.alarm.acknowledge, this.acts.acknowledge);
    if (alarm.state === "shelved") add("unshelve", words.alarm.unshelve, this.acts.unshelve);
    else add("shelve", words.alarm.shelve, this.acts.shelve);
    add("escalate", words.alarm.escalate, this.acts.escalate);
    return acts;
  }
}
