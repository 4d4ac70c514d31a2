// Time-of-day plans and the calendar that calls them.

import { readPlans, writePlans } from "../calls/manage";
import type { JunctionPlan, Plans, TimePlan } from "../shapes";
import type { Context } from "../context";
import { ask } from "../dialog";
import { button, h, setText } from "../dom";
import { exportLinks } from "../parts/download";
import { Segments } from "../parts/filters";
import { Resource } from "../parts/resource";
import { type Column, DataTable } from "../parts/table";
import { actAs } from "../shell/acting";
import { CalendarPart } from "./calendar";
import { type Page, pageHead } from "./page";

const OWN = "";

export class PlanPage implements Page {
  readonly element: HTMLElement;
  private readonly inForce = h("p", { class: "in-force" });
  private readonly changed = h("p", { class: "help" });
  private readonly choice = h("div");
  private readonly acts = h("div", { class: "acts" });
  private readonly table: DataTable<JunctionPlan>;
  private readonly calendar: CalendarPart;
  private readonly resource: Resource<Plans>;
  private segments: Segments<string> | null = null;

  constructor(private readonly context: Context) {
    const { speech } = context;
    const own = speech.words.plans;
    this.table = new DataTable(speech, {
      label: own.plans,
      columns: this.columns(),
      key: (row) => row.junction,
      stamp: () => this.chosen()?.id ?? OWN,
      empty: own.noPlans,
    });
    this.calendar = new CalendarPart(context, () => this.resource.value?.plans ?? []);
    this.resource = new Resource(speech, readPlans, () => this.draw(), 10_000);
    const add = button(own.newPlan, () => this.add());
    this.acts.append(add, button(own.remove, () => this.remove(), { "data-act": "remove" }));
    this.element = h(
      "section",
      { class: "page" },
      pageHead(own.title, own.help, ...exportLinks(speech, "plans")),
      this.inForce,
      this.calendar.element,
      h(
        "section",
        { class: "card", "aria-label": own.plans },
        h("div", { class: "heading" }, h("h3", {}, own.plans), this.acts),
        this.choice,
        this.changed,
        this.resource.element,
        this.table.element,
      ),
    );
  }

  dispose(): void {
    this.resource.dispose();
    this.calendar.dispose();
  }

  private chosen(): TimePlan | undefined {
    return this.resource.value?.plans.find((plan) => plan.id === this.segments?.chosen);
  }

  private draw(): void {
    const plans = this.resource.value;
    if (!plans) return;
    const { speech, store } = this.context;
    const own = speech.words.plans;
    const name = (plan: TimePlan) => plan.name || plan.id;
    const active = plans.plans.find((plan) => plan.id === plans.in_force);
    setText(this.inForce, own.inForce(active ? name(active) : own.own));
    setText(this.changed, plans.at === null ? "" : own.changedBy(plans.by, speech.when(plans.at, store.live?.city_time ?? null)));
    this.offer([[OWN, own.own], ...plans.plans.map((plan): [string, string] => [plan.id, name(plan)])]);
    const chosen = this.chosen();
    this.acts.querySelector<HTMLButtonElement>("[data-act=remove]")?.toggleAttribute("disabled", chosen === undefined);
    this.table.show(chosen?.junctions ?? plans.default, chosen ? "" : own.noPlans);
    this.calendar.draw();
  }

  private offer(options: [string, string][]): void {
    const stamp = JSON.stringify(options);
    if (this.choice.dataset.stamp === stamp) return;
    this.choice.dataset.stamp = stamp;
    const before = this.segments?.chosen ?? OWN;
    const first = options.some(([id]) => id === before) ? before : OWN;
    this.segments = new Segments(this.context.speech.words.plans.plan, options, first, () => this.draw());
    this.choice.replaceChildren(this.segments.element);
  }

  private columns(): Column<JunctionPlan>[] {
    const { speech, names } = this.context;
    const own = speech.words.plans;
    const edit = (row: JunctionPlan) => {
      if (!this.chosen()) return "";
      return h("div", { class: "acts" }, button(speech.words.change, () => this.edit(row), { "data-act": "edit" }));
    };
    const greens = (row: JunctionPlan) =>
      h("span", { class: "greens" }, ...row.phases.map(({ phase, green_s }) => h("span", {}, h("small", {}, String(phase)), ` ${green_s}`)));
    return [
      { name: "junction", label: speech.words.junction, cell: (row) => names.get(row.junction) ?? row.junction, sort: (row) => names.get(row.junction) ?? row.junction },
      { name: "greens", label: own.greens, cell: greens },
      { name: "offset", label: own.offset, numeric: true, cell: (row) => (row.offset_s === null ? speech.words.unknown : String(row.offset_s)) },
      { name: "acts", label: speech.words.alarm.acts, cell: edit },
    ];
  }

  private async put(plans: TimePlan[]): Promise<void> {
    await actAs(this.context, (by) => writePlans(plans, by));
    await this.resource.renew();
  }

  private async add(): Promise<void> {
    const plans = this.resource.value;
    if (!plans) return;
    const { speech } = this.context;
    const own = speech.words.plans;
    const id = h("input", { name: "id", required: true, maxlength: 40, pattern: "[a-z0-9_\\-]+" });
    const name = h("input", { name: "name", maxlength: 80 });
    const fields = [h("label", {}, own.id, id), h("label", {}, own.name, name)];
    if (!(await ask(speech, { title: own.newTitle, help: own.newHelp, fields, yes: speech.words.save }))) return;
    await this.put([...plans.plans, { id: id.value, name: name.value.trim(), junctions: plans.default }]);
  }

  private async remove(): Promise<void> {
    const [plans, chosen] = [this.resource.value, this.chosen()];
    if (!plans || !chosen) return;
    const { speech } = this.context;
    const own = speech.words.plans;
    const title = own.removeTitle(chosen.name || chosen.id);
    const sure = await ask(speech, { title, help: own.removeHelp, fields: [], yes: own.removeYes, danger: true });
    if (sure) await this.put(plans.plans.filter((plan) => plan.id !== chosen.id));
  }

  private async edit(row: JunctionPlan): Promise<void> {
    const [plans, chosen] = [this.resource.value, this.chosen()];
    if (!plans || !chosen) return;
    const { speech, names } = this.context;
    const own = speech.words.plans;
    const greens = row.phases.map(({ green_s }) => h("input", { type: "number", min: 1, max: 600, step: "any", required: true, value: green_s }));
    const offset = h("input", { type: "number", min: 0, max: 3600, step: "any", value: row.offset_s ?? "" });
    const fields = row.phases.map(({ phase }, at) => h("label", {}, own.phaseGreen(phase), greens[at] ?? ""));
    const sure = await ask(speech, {
      title: own.editTitle(names.get(row.junction) ?? row.junction, chosen.name || chosen.id),
      help: own.editHelp,
      fields: [...fields, h("label", {}, own.offset, offset)],
      yes: speech.words.save,
    });
    if (!sure) return;
    const next: JunctionPlan = {
      junction: row.junction,
      offset_s: offset.value === "" ? null : Number(offset.value),
      phases: row.phases.map(({ phase }, at) => ({ phase, green_s: Number(greens[at]?.value) })),
    };
    const junctions = chosen.junctions.map((one) => (one.junction === row.junction ? next : one));
    await this.put(plans.plans.map((plan) => (plan.id === chosen.id ? { ...plan, junctions } : plan)));
  }
}
