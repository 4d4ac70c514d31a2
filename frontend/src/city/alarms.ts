// The alarms that are open, most urgent first, in the column that says whether anything needs a person.

import type { Alarm } from "../shapes";
import type { Context } from "../context";
import { button, h, setText } from "../dom";
import { AlarmActs, alarmPlace, alarmText, byUrgency, mayAcknowledge, severityMark } from "../parts/alarm";

const SHOWN = 5;

export class AlarmBrief {
  readonly element: HTMLElement;
  private readonly list = h("ul", { class: "alarm-list" });
  private readonly well = h("p", { class: "empty" });
  private readonly all = h("a", { href: "#/alarms" });
  private readonly acts: AlarmActs;
  private readonly rows = new Map<string, { element: HTMLElement; number: number }>();

  constructor(private readonly context: Context) {
    const { words } = context.speech;
    this.acts = new AlarmActs(context);
    setText(this.well, words.alarm.allWell);
    const heading = h("div", { class: "heading" }, h("h2", {}, words.alarm.needsYou), this.all);
    this.element = h("section", { class: "needs", "aria-label": words.alarm.needsYou }, heading, this.well, this.list);
  }

  show(): void {
    const { store, speech } = this.context;
    const open = [...store.alarms.values()].filter(isOpen).sort(byUrgency);
    setText(this.all, speech.words.alarm.allAlarms(open.length));
    this.well.hidden = open.length > 0 || store.waiting().length > 0;
    const shown = open.slice(0, SHOWN);
    const keep = new Set(shown.map((alarm) => alarm.id));
    for (const [id, row] of this.rows) {
      if (keep.has(id)) continue;
      row.element.remove();
      this.rows.delete(id);
    }
    shown.forEach((alarm, at) => this.place(alarm, at));
  }

  private place(alarm: Alarm, at: number): void {
    let row = this.rows.get(alarm.id);
    if (row?.number !== alarm.number) {
      const element = this.draw(alarm);
      row?.element.replaceWith(element);
      row = { element, number: alarm.number };
      this.rows.set(alarm.id, row);
    }
    const there = this.list.children[at];
    if (there !== row.element) this.list.insertBefore(row.element, there ?? null);
  }

  private draw(alarm: Alarm): HTMLElement {
    const { speech } = this.context;
    const text = h("div", {}, alarmText(alarm, speech), h("small", {}, alarmPlace(alarm, this.context)));
    const act = button(speech.words.alarm.acknowledge, () => this.acts.acknowledge(alarm), { class: "small" });
    act.hidden = !mayAcknowledge(alarm);
    return h("li", { "data-alarm": alarm.id, "data-state": alarm.state }, severityMark(alarm.severity, speech), text, act);
  }
}

export function isOpen(alarm: Alarm): boolean {
  return alarm.state !== "shelved" && alarm.state !== "closed";
}
