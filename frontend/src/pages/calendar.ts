// The calendar: which plan is called on which days and hours, in order of precedence.

import { DAYS, readCalendar, writeCalendar } from "../calls/manage";
import type { Calendar, CalendarEntry, Day, TimePlan } from "../shapes";
import type { Context } from "../context";
import { ask } from "../dialog";
import { button, h, setText } from "../dom";
import { exportLinks } from "../parts/download";
import { Resource } from "../parts/resource";
import { type Column, DataTable } from "../parts/table";
import { actAs } from "../shell/acting";

interface Line {
  at: number;
  entry: CalendarEntry;
}

export class CalendarPart {
  readonly element: HTMLElement;
  private readonly holidays = h("span");
  private readonly changed = h("p", { class: "help" });
  private readonly add: HTMLButtonElement;
  private readonly table: DataTable<Line>;
  private readonly resource: Resource<Calendar>;

  constructor(
    private readonly context: Context,
    private readonly plans: () => TimePlan[],
  ) {
    const { speech } = context;
    const own = speech.words.plans;
    this.table = new DataTable(speech, {
      label: own.calendar,
      columns: this.columns(),
      key: ({ at }) => String(at),
      stamp: () => JSON.stringify(this.plans().map(({ id, name }) => [id, name])),
      empty: own.noEntries,
    });
    this.resource = new Resource(speech, readCalendar, () => this.draw(), 10_000);
    this.add = button(own.addEntry, () => this.edit(null));
    this.element = h(
      "section",
      { class: "card", "aria-label": own.calendar },
      h("div", { class: "heading" }, h("h3", {}, own.calendar), ...exportLinks(speech, "calendar"), this.add),
      h("p", { class: "help" }, own.calendarHelp(speech.timeZone)),
      this.resource.element,
      this.table.element,
      h("p", { class: "acts" }, h("span", {}, `${own.holidays}: `, this.holidays), button(own.editHolidays, () => this.editHolidays())),
      this.changed,
    );
  }

  dispose(): void {
    this.resource.dispose();
  }

  draw(): void {
    const calendar = this.resource.value;
    this.add.disabled = this.plans().length === 0;
    if (!calendar) return;
    const { speech, store } = this.context;
    const own = speech.words.plans;
    setText(this.holidays, calendar.holidays.join(", ") || own.noHolidays);
    setText(this.changed, calendar.at === null ? "" : own.changedBy(calendar.by, speech.when(calendar.at, store.live?.city_time ?? null)));
    this.table.show(calendar.entries.map((entry, at) => ({ at, entry })));
  }

  private columns(): Column<Line>[] {
    const { words } = this.context.speech;
    const own = words.plans;
    return [
      { name: "plan", label: own.plan, cell: ({ entry }) => this.planName(entry.plan) },
      { name: "days", label: own.days, cell: ({ entry }) => this.days(entry.days) },
      { name: "hours", label: `${own.from} – ${own.until}`, cell: ({ entry }) => h("span", { class: "nowrap" }, `${entry.from} – ${entry.until}`) },
      { name: "span", label: `${own.first} – ${own.last}`, cell: ({ entry }) => (entry.first ?? entry.last) ? `${entry.first ?? "…"} – ${entry.last ?? "…"}` : own.always },
      { name: "acts", label: words.alarm.acts, cell: (line) => this.acts(line) },
    ];
  }

  private planName(id: string): string {
    const name = this.plans().find((plan) => plan.id === id)?.name ?? "";
    return name === "" ? id : name;
  }

  private days(days: Day[]): string {
    const own = this.context.speech.words.plans;
    return days.length === DAYS.length ? own.everyDay : DAYS.filter((day) => days.includes(day)).map((day) => own.dayNames[day]).join(", ");
  }

  private acts({ at, entry }: Line): HTMLElement {
    const { words } = this.context.speech;
    const own = words.plans;
    const up = button(own.up, () => this.move(at), { "data-act": "up" });
    up.disabled = at === 0;
    return h(
      "div",
      { class: "acts" },
      up,
      button(words.change, () => this.edit({ at, entry }), { "data-act": "change" }),
      button(own.remove, () => this.remove(at), { "data-act": "remove" }),
    );
  }

  private entries(): CalendarEntry[] {
    return this.resource.value?.entries ?? [];
  }

  private async put(entries: CalendarEntry[], holidays = this.resource.value?.holidays ?? []): Promise<void> {
    await actAs(this.context, (by) => writeCalendar(entries, holidays, by));
    await this.resource.renew();
  }

  private async move(at: number): Promise<void> {
    const entries = this.entries();
    const one = entries[at];
    if (one) await this.put(entries.toSpliced(at, 1).toSpliced(at - 1, 0, one));
  }

  private async remove(at: number): Promise<void> {
    const { speech } = this.context;
    const own = speech.words.plans;
    const sure = await ask(speech, { title: own.removeEntryTitle, help: own.removeHelp, fields: [], yes: own.removeYes, danger: true });
    if (sure) await this.put(this.entries().toSpliced(at, 1));
  }

  private async edit(line: Line | null): Promise<void> {
    const { speech } = this.context;
    const own = speech.words.plans;
    const entry = line?.entry;
    const plan = h("select", { name: "plan" }, ...this.plans().map(({ id }) => h("option", { value: id, selected: id === entry?.plan }, this.planName(id))));
    const boxes = DAYS.map((day) => h("input", { type: "checkbox", name: day, checked: entry ? entry.days.includes(day) : day !== "holiday" }));
    const text = (value: string | null | undefined, attributes: Record<string, string | boolean>) => h("input", { ...attributes, value: value ?? "" });
    const clock = { pattern: "([01]\\d|2[0-3]):[0-5]\\d|24:00", required: true, placeholder: "07:00" };
    const [from, until] = [text(entry?.from ?? "07:00", clock), text(entry?.until ?? "09:00", clock)];
    const [first, last] = [text(entry?.first, { type: "date" }), text(entry?.last, { type: "date" })];
    const sure = await ask(speech, {
      title: own.entryTitle,
      help: own.entryHelp,
      fields: [
        h("label", {}, own.plan, plan),
        h("fieldset", {}, h("legend", {}, own.days), ...DAYS.map((day, at) => h("label", { class: "check" }, boxes[at] ?? "", own.dayNames[day]))),
        h("div", { class: "two" }, h("label", {}, own.from, from), h("label", {}, own.until, until)),
        h("div", { class: "two" }, h("label", {}, own.first, first), h("label", {}, own.last, last)),
      ],
      yes: speech.words.save,
    });
    if (!sure) return;
    const days = DAYS.filter((_, at) => boxes[at]?.checked);
    const next = { plan: plan.value, days, from: from.value, until: until.value, first: first.value || null, last: last.value || null };
    const entries = this.entries();
    await this.put(line ? entries.with(line.at, next) : [...entries, next]);
  }

  private async editHolidays(): Promise<void> {
    const calendar = this.resource.value;
    if (!calendar) return;
    const { speech } = this.context;
    const own = speech.words.plans;
    const dates = h("textarea", { rows: 8 });
    dates.value = calendar.holidays.join("\n");
    const fields = [h("label", {}, own.holidays, dates)];
    if (!(await ask(speech, { title: own.editHolidaysTitle, help: own.holidaysHelp, fields, yes: speech.words.save }))) return;
    await this.put(this.entries(), dates.value.split(/\s+/).filter(Boolean));
  }
}
