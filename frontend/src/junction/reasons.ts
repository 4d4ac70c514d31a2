// The last decisions of one junction: why, with the numbers that made it, and what the guard refused.

import { readDecisions } from "../api";
import type { Decision } from "../shapes";
import { h, setText } from "../dom";
import { decisionItem } from "../parts/decision";
import type { Store } from "../store";
import type { Speech } from "../words";

const SHOWN = 8;
const READ = 40;

export class Reasons {
  readonly element: HTMLElement;
  private readonly list = h("ol", { class: "decisions" });
  private readonly empty = h("p", { class: "empty" });
  private readonly buttons: [refusedOnly: boolean, button: HTMLButtonElement][];
  private past: Decision[] = [];
  private refusedOnly = false;
  private shown = "";

  constructor(
    private readonly junction: string,
    private readonly store: Store,
    private readonly speech: Speech,
  ) {
    const { words } = speech;
    this.buttons = [false, true].map((refusedOnly) => [refusedOnly, this.button(refusedOnly)]);
    const bar = h("div", { class: "segments small", role: "group", "aria-label": words.panelDecisions });
    bar.append(...this.buttons.map(([, one]) => one));
    const heading = h("div", { class: "heading" }, h("h3", {}, words.panelDecisions), bar);
    this.element = h("div", { class: "reasons" }, heading, this.empty, this.list);
    void this.read();
  }

  show(): void {
    const { newest, replay } = this.store;
    const stamp = `${newest} ${replay?.city_time ?? ""} ${this.refusedOnly} ${this.past.length}`;
    if (stamp === this.shown) return;
    this.shown = stamp;
    const rows = this.rows().filter((row) => !this.refusedOnly || row.refused);
    const { words } = this.speech;
    for (const [refusedOnly, one] of this.buttons) {
      one.setAttribute("aria-pressed", String(refusedOnly === this.refusedOnly));
    }
    setText(this.empty, rows.length > 0 ? "" : this.refusedOnly ? words.panelNoneRefused : words.noneHere);
    this.empty.hidden = rows.length > 0;
    this.list.replaceChildren(...rows.slice(0, SHOWN).map((row) => this.item(row)));
  }

  private rows(): Decision[] {
    const until = this.store.replay?.city_time;
    const fresh = this.store.decisions.filter((row) => row.junction === this.junction);
    const known = new Set(fresh.map((row) => row.id));
    const past = this.past.filter((row) => !known.has(row.id) && (until === undefined || row.city_time <= until));
    return [...fresh, ...past];
  }

  private item(row: Decision): HTMLElement {
    const item = decisionItem(row, this.speech);
    const numbers = Object.entries(row.why?.numbers ?? {}).filter(([, value]) => typeof value === "number");
    if (numbers.length === 0) return item;
    const { panelNumbers } = this.speech.words;
    const pairs = numbers.flatMap(([name, value]) => [
      h("dt", {}, panelNumbers[name] ?? name.replaceAll("_", " ")),
      h("dd", {}, String(value)),
    ]);
    item.append(h("dl", { class: "numbers" }, ...pairs));
    return item;
  }

  private button(refusedOnly: boolean): HTMLButtonElement {
    const { words } = this.speech;
    const one = h("button", { type: "button" }, refusedOnly ? words.refused : words.all);
    one.addEventListener("click", () => {
      this.refusedOnly = refusedOnly;
      this.show();
    });
    return one;
  }

  private async read(): Promise<void> {
    this.past = await readDecisions(READ, this.junction);
    this.show();
  }
}
