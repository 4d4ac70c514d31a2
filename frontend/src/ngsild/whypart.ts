// "Why was this not sent?": a person names an entity, the broker goes through all that was asked.

import { askWhy } from "../calls/subscriptions";
import { ApiError } from "../client";
import type { Context } from "../context";
import { h } from "../dom";
import { failure } from "../parts/failure";
import { labelled } from "../parts/filters";
import { type Column, DataTable } from "../parts/table";
import type { Check, Why } from "./why";

export class WhyPart {
  readonly element: HTMLElement;
  private readonly field: HTMLInputElement;
  private readonly verdict = h("p", { class: "verdict" });
  private readonly sentence = h("p", { lang: "en" });
  private readonly lastWrite = h("p", { class: "help" });
  private readonly table: DataTable<Check>;
  private readonly answer: HTMLElement;

  constructor(
    private readonly context: Context,
    private readonly id: string,
    entity: string,
  ) {
    const { speech } = context;
    const own = speech.words.subscription.why;
    this.field = h("input", { required: true, class: "long", autocomplete: "off", spellcheck: "false", placeholder: "urn:ngsi-ld:…", value: entity });
    this.table = new DataTable(speech, { label: own.title, columns: this.columns(), key: ({ part, asks }) => `${part} ${asks}`, empty: "" });
    this.answer = h("div", { class: "why", role: "status" }, this.verdict, this.sentence, this.lastWrite);
    this.table.element.hidden = true;
    const form = h("form", { class: "filters" }, labelled(own.entity, this.field), h("button", { type: "submit" }, own.ask));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.ask();
    });
    this.element = h("section", { class: "card", "aria-label": own.title }, h("h3", {}, own.title), h("p", { class: "help" }, own.help), form, this.answer, this.table.element);
    if (entity !== "") void this.ask();
  }

  private async ask(): Promise<void> {
    const { words } = this.context.speech;
    try {
      this.tell(await askWhy(this.id, this.field.value.trim()));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const [what, advice] = failure(error, words);
      this.verdict.textContent = what;
      this.sentence.textContent = advice;
      this.lastWrite.textContent = "";
      this.table.element.hidden = true;
    }
  }

  private tell({ verdict, answer, checks, lastWrite }: Why): void {
    const { speech, store } = this.context;
    const own = speech.words.subscription;
    this.verdict.textContent = own.verdicts[verdict] ?? verdict;
    this.sentence.textContent = answer;
    const names = lastWrite === null ? [] : [...lastWrite.created, ...lastWrite.updated, ...lastWrite.deleted];
    const at = lastWrite?.at == null ? null : speech.when(lastWrite.at, store.live?.city_time ?? null);
    this.lastWrite.textContent = at === null ? own.why.noWrite : own.why.lastWrite([at, names.join(", ")].filter(Boolean).join(" · "));
    this.table.element.hidden = checks.length === 0;
    this.table.show(checks);
  }

  private columns(): Column<Check>[] {
    const { words } = this.context.speech;
    const own = words.subscription;
    const holds = ({ holds }: Check) => h("span", { class: "condition", "data-well": holds ? "yes" : "no" }, holds ? words.yes : words.no);
    return [
      { name: "part", label: own.why.part, cell: ({ part }) => own.parts[part] ?? part },
      { name: "asks", label: own.why.asks, cell: ({ asks }) => h("code", {}, asks) },
      { name: "has", label: own.why.has, cell: ({ has }) => h("code", {}, has) },
      { name: "holds", label: own.why.holds, cell: holds },
    ];
  }
}
