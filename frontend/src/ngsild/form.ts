// The form that makes a subscription or changes one. What the broker refuses is told beside it, and
// nothing that was written is lost.

import { readTypes } from "../calls/entities";
import { ApiError } from "../client";
import type { Context } from "../context";
import { button, h } from "../dom";
import { failure } from "../parts/failure";
import { readArea, writeArea } from "./area";
import { areaOf, FORMATS, isPlain, type Subscription, TRIGGERS, USUAL_TRIGGERS, type Wish } from "./subscription";

export interface SubscriptionFormOptions {
  /** What is changed; null for a new one. */
  before: Subscription | null;
  /** Begins with this, where it is new. */
  type?: string;
  /** Whether it was done; raises ApiError for what was refused. */
  save: (wish: Wish) => Promise<boolean>;
  /** The form is done with; `saved` tells how. */
  close: (saved: boolean) => void;
}

export class SubscriptionForm {
  readonly element: HTMLFormElement;
  private readonly name: HTMLInputElement;
  private readonly type: HTMLInputElement;
  private readonly ids = h("textarea", { rows: 2 });
  private readonly watched: HTMLInputElement;
  private readonly q: HTMLInputElement;
  private readonly area: HTMLInputElement;
  private readonly endpoint: HTMLInputElement;
  private readonly format: HTMLSelectElement;
  private readonly throttling: HTMLInputElement;
  private readonly boxes: HTMLInputElement[];
  private readonly types = h("datalist", { id: "subscription-types" });
  private readonly refused = h("p", { class: "refused", role: "alert", hidden: true });

  constructor(
    private readonly context: Context,
    private readonly options: SubscriptionFormOptions,
  ) {
    const { before } = options;
    const own = context.speech.words.subscription.form;
    const selector = before?.entities[0];
    const field = (value: string | number, attributes: Record<string, string | number | boolean> = {}) =>
      h("input", { autocomplete: "off", spellcheck: "false", value, ...attributes });
    const drawn = before === null ? null : areaOf(before);
    this.name = field(before?.name ?? "", { maxlength: 200 });
    this.type = field(before === null ? (options.type ?? "") : (selector?.type ?? ""), { list: "subscription-types" });
    this.ids.value = (selector?.ids ?? []).join("\n");
    this.watched = field((before?.watched ?? []).join(", "));
    this.q = field(before?.q ?? "");
    this.area = field(drawn === null ? "" : writeArea(drawn));
    this.endpoint = field(before?.endpoint ?? "", { type: "url", required: true, pattern: "(https?|mqtts?)://.+", placeholder: "http://…" });
    this.throttling = field(before?.throttlingS ?? "", { type: "number", min: 0.001, step: "any" });
    const formats = context.speech.words.subscription.formats;
    this.format = h("select", {}, ...FORMATS.map((one) => h("option", { value: one, selected: one === before?.format }, formats[one] ?? one)));
    const triggers = before?.triggers ?? USUAL_TRIGGERS;
    this.boxes = TRIGGERS.map((one) => h("input", { type: "checkbox", name: one, checked: triggers.includes(one) }));
    const fixed = before !== null && !isPlain(before);
    if (fixed) this.type.disabled = this.ids.disabled = true;
    const title = before === null ? own.newTitle : own.changeTitle;
    this.element = h(
      "form",
      { class: "card subscription-form", "aria-label": title },
      h("h3", { tabindex: -1 }, title),
      ...this.fields(fixed),
      this.refused,
      h("div", { class: "buttons" }, h("button", { type: "submit", class: "strong" }, own.save), button(context.speech.words.cancel, () => options.close(false))),
    );
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.submit();
    });
    for (const one of [this.type, this.watched, this.area]) one.addEventListener("input", () => this.check());
    void this.offerTypes();
  }

  private fields(fixed: boolean): HTMLElement[] {
    const { words } = this.context.speech;
    const own = words.subscription.form;
    const { before } = this.options;
    const keepArea = before !== null && before.geoQ !== null && areaOf(before) === null;
    return [
      this.types,
      h("div", { class: "two" }, field(own.name, this.name), field(own.endpoint, this.endpoint, own.endpointHelp)),
      h("div", { class: "two" }, field(own.type, this.type, fixed ? own.keepSelector : own.typeHelp), field(own.ids, this.ids, own.idsHelp)),
      h("div", { class: "two" }, field(own.watched, this.watched, own.watchedHelp), field(own.q, this.q, words.entities.qHelp)),
      h("div", { class: "two" }, field(own.area, this.area, keepArea ? own.keepArea : ""), field(own.throttling, this.throttling)),
      h("div", { class: "two" }, field(own.format, this.format), h("span")),
      h("fieldset", {}, h("legend", {}, own.triggers), ...TRIGGERS.map((one, at) => h("label", { class: "check" }, this.boxes[at] ?? "", words.subscription.triggers[one] ?? one))),
    ];
  }

  /** What cannot be sent is told where it is written. */
  private check(): boolean {
    const { words } = this.context.speech;
    const needs = !this.type.disabled && this.type.value.trim() === "" && this.watched.value.trim() === "";
    this.type.setCustomValidity(needs ? words.subscription.form.needsSubject : "");
    const wrong = this.area.value.trim() !== "" && readArea(this.area.value) === null;
    this.area.setCustomValidity(wrong ? words.entities.areaWrong : "");
    return this.element.reportValidity();
  }

  private async submit(): Promise<void> {
    if (!this.check()) return;
    this.element.setAttribute("aria-busy", "true");
    try {
      if (await this.options.save(this.wish())) this.options.close(true);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.refused.hidden = false;
      this.refused.textContent = failure(error, this.context.speech.words).join(" ");
    } finally {
      this.element.removeAttribute("aria-busy");
    }
  }

  private wish(): Wish {
    const parts = (text: string, between: RegExp) => text.split(between).map((one) => one.trim()).filter(Boolean);
    return {
      name: this.name.value.trim(),
      type: this.type.value.trim(),
      ids: parts(this.ids.value, /[\s,]+/),
      watched: parts(this.watched.value, /,/),
      q: this.q.value.trim(),
      area: readArea(this.area.value),
      endpoint: this.endpoint.value.trim(),
      format: this.format.value,
      throttlingS: this.throttling.value === "" ? null : Number(this.throttling.value),
      triggers: TRIGGERS.filter((_, at) => this.boxes[at]?.checked),
    };
  }

  private async offerTypes(): Promise<void> {
    try {
      this.types.replaceChildren(...(await readTypes("")).map((value) => h("option", { value })));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // types are offered for ease alone
    }
  }
}

let helps = 0;

/** A control with its name, and below it what helps to fill it. */
function field(label: string, control: HTMLElement, help = ""): HTMLElement {
  if (help === "") return h("label", {}, label, control);
  const id = `form-help-${++helps}`;
  control.setAttribute("aria-describedby", id);
  return h("div", { class: "helped" }, h("label", {}, label, control), h("small", { id }, help));
}
