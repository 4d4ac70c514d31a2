// The fields above a list that say which of its rows are shown.

import { h } from "../dom";
import type { Speech } from "../words";

/** Free text; `/` leads to the first one of a page. */
export function textFilter(speech: Speech, changed: () => void): HTMLInputElement {
  const field = h("input", { type: "search", "data-filter": true, autocomplete: "off", spellcheck: "false" });
  field.addEventListener("input", changed);
  field.setAttribute("aria-label", speech.words.filter);
  return field;
}

/** A choice of one value or all; the empty value stands for all. */
export function choice(label: string, options: [value: string, text: string][], changed: () => void): HTMLSelectElement {
  const field = h("select", { "aria-label": label }, ...options.map(([value, text]) => h("option", { value }, text)));
  field.addEventListener("change", changed);
  return field;
}

export function labelled(label: string, field: HTMLElement): HTMLLabelElement {
  field.removeAttribute("aria-label");
  return h("label", {}, label, field);
}

/** Two or more views of which one is shown, as a row of buttons. */
export class Segments<Name extends string> {
  readonly element: HTMLElement;
  chosen: Name;
  private readonly buttons: [Name, HTMLButtonElement][];

  constructor(label: string, options: [Name, string][], first: Name, changed: () => void) {
    this.chosen = first;
    this.buttons = options.map(([name, text]) => {
      const one = h("button", { type: "button", "data-view": name }, text);
      one.addEventListener("click", () => {
        this.chosen = name;
        this.mark();
        changed();
      });
      return [name, one];
    });
    this.element = h("div", { class: "segments", role: "group", "aria-label": label }, ...this.buttons.map(([, one]) => one));
    this.mark();
  }

  rename(name: Name, text: string): void {
    const one = this.buttons.find(([other]) => other === name)?.[1];
    if (one && one.textContent !== text) one.textContent = text;
  }

  private mark(): void {
    for (const [name, one] of this.buttons) one.setAttribute("aria-pressed", String(name === this.chosen));
  }
}

/** Whether any of `texts` holds what was typed. */
export function matches(typed: string, texts: string[]): boolean {
  const wanted = typed.trim().toLowerCase();
  return wanted === "" || texts.some((text) => text.toLowerCase().includes(wanted));
}
