// An alarm in a person's words, and what a person may do about it.

import { acknowledge, escalate, shelve, unshelve } from "../calls/alarms";
import type { Alarm, Severity } from "../shapes";
import type { Context } from "../context";
import { ask } from "../dialog";
import { h } from "../dom";
import { actAs } from "../shell/acting";
import type { Speech } from "../words";

const ORDER: Severity[] = ["critical", "high", "medium", "low"];

/** Most urgent first; of equals what nobody has acknowledged, then the newest. */
export function byUrgency(a: Alarm, b: Alarm): number {
  return (
    ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity) ||
    Number(a.state !== "unacknowledged") - Number(b.state !== "unacknowledged") ||
    b.raised_at.localeCompare(a.raised_at) ||
    a.id.localeCompare(b.id)
  );
}

/** What it says: of its kind and figures, else the city's own sentence. */
export function alarmText(alarm: Alarm, speech: Speech): HTMLElement {
  const sentence = speech.words.alarm.kinds[alarm.kind];
  if (sentence) return h("span", { class: "alarm-text" }, sentence({ ...alarm.data, count: alarm.count }));
  return h("span", { class: "alarm-text", lang: "en" }, alarm.text);
}

/** The priority as a shape and a word: colour is never alone. */
export function severityMark(severity: Severity, speech: Speech): HTMLElement {
  return h("span", { class: "severity", "data-severity": severity }, speech.words.alarm.severities[severity]);
}

/** Where it is: a way to the junction, the subject, or how many places. */
export function alarmPlace(alarm: Alarm, { names, choose, speech }: Context): HTMLElement {
  const { words } = speech;
  const { junction } = alarm;
  if (junction === null) {
    const text = alarm.count > 1 ? words.alarm.places(alarm.count) : alarm.subject || words.alarm.city;
    return h("span", {}, text);
  }
  const place = h("button", { type: "button", class: "name", "data-act": "place" }, names.get(junction) ?? junction);
  place.addEventListener("click", () => choose(junction));
  return place;
}

export class AlarmActs {
  constructor(private readonly context: Context) {}

  readonly acknowledge = async (alarm: Alarm): Promise<void> => {
    if (!mayAcknowledge(alarm)) return;
    await actAs(this.context, (by) => acknowledge(alarm, by));
  };

  readonly unshelve = async (alarm: Alarm): Promise<void> => {
    await actAs(this.context, (by) => unshelve(alarm, by));
  };

  readonly shelve = async (alarm: Alarm): Promise<void> => {
    const { words } = this.context.speech;
    const minutes = h("input", { type: "number", name: "minutes", min: 1, max: 1440, value: 30, required: true });
    const reason = h("input", { name: "reason", required: true, maxlength: 300, pattern: ".*\\S.*" });
    const sure = await this.ask(alarm, words.alarm.shelveTitle, words.alarm.shelveHelp, words.alarm.shelveYes, [
      h("label", {}, words.alarm.minutes, minutes),
      h("label", {}, words.alarm.reason, reason),
    ]);
    if (sure) await actAs(this.context, (by) => shelve(alarm, by, Number(minutes.value), reason.value.trim()));
  };

  readonly escalate = async (alarm: Alarm): Promise<void> => {
    const { words } = this.context.speech;
    const to = h("input", { name: "to", required: true, maxlength: 80, pattern: ".*\\S.*" });
    const note = h("textarea", { name: "note", rows: 3, maxlength: 500 });
    const sure = await this.ask(alarm, words.alarm.escalateTitle, words.alarm.escalateHelp, words.alarm.escalateYes, [
      h("label", {}, words.alarm.to, to),
      h("label", {}, words.alarm.note, note),
    ]);
    if (sure) await actAs(this.context, (by) => escalate(alarm, by, to.value.trim(), note.value.trim()));
  };

  private ask(alarm: Alarm, title: string, help: string, yes: string, fields: HTMLElement[]): Promise<boolean> {
    const what = h("p", { class: "subject" }, alarmText(alarm, this.context.speech));
    return ask(this.context.speech, { title, help, fields: [what, ...fields], yes });
  }
}

export function mayAcknowledge(alarm: Alarm): boolean {
  return alarm.number > 0 && (alarm.state === "unacknowledged" || alarm.state === "returned");
}
