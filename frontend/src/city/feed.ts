// The latest decisions, each with the sentence that says why. The list holds still while someone
// points at it or has focus in it: nothing may move under a reading eye.

import { button, h, setText } from "../dom";
import { decisionItem } from "../parts/decision";
import type { Store } from "../store";
import type { Speech } from "../words";

const SHOWN = 60;

export class Feed {
  readonly element: HTMLElement;
  private readonly list = h("ol", { class: "decisions" });
  private readonly empty = h("p", { class: "empty" });
  private readonly newer: HTMLButtonElement;
  private readonly missed = h("p", { class: "missed", hidden: true });
  private readonly filters: [refusedOnly: boolean, button: HTMLButtonElement][];
  private refusedOnly = false;
  private held = false;
  private shownNumber = -1;

  constructor(
    private readonly store: Store,
    private readonly speech: Speech,
    private readonly names: Map<string, string>,
    private readonly choose: (junction: string) => void,
  ) {
    const { words } = speech;
    const filter = (refusedOnly: boolean) => () => {
      this.refusedOnly = refusedOnly;
      this.draw();
    };
    this.filters = [
      [false, button(words.all, filter(false))],
      [true, button(words.refused, filter(true))],
    ];
    this.newer = button("", () => this.draw(), { class: "newer", hidden: true });
    setText(this.missed, words.missed);
    const bar = h("div", { class: "segments small", role: "group", "aria-label": words.decisions });
    bar.append(...this.filters.map(([, one]) => one));
    const scroller = h("div", { class: "scroller", tabindex: 0, role: "group", "aria-label": words.decisions });
    scroller.append(this.missed, this.empty, this.list);
    scroller.addEventListener("pointerenter", () => this.hold(true));
    scroller.addEventListener("pointerleave", () => this.hold(false));
    scroller.addEventListener("focusin", () => this.hold(true));
    scroller.addEventListener("focusout", () => this.hold(false));
    this.element = h(
      "section",
      { class: "feed", "aria-label": words.decisions },
      h("div", { class: "heading" }, h("h2", {}, words.decisions), this.newer, bar),
      scroller,
    );
  }

  show(): void {
    const { newest } = this.store;
    this.missed.hidden = !this.store.missed;
    if (newest === this.shownNumber) return;
    if (!this.held || this.shownNumber < 0) {
      this.draw();
      return;
    }
    this.newer.hidden = false;
    setText(this.newer, this.speech.words.newer(newest - this.shownNumber));
  }

  private hold(held: boolean): void {
    this.held = held;
    if (!held) this.show();
  }

  private draw(): void {
    const rows = this.store.decisions.filter((row) => !this.refusedOnly || row.refused);
    const { words } = this.speech;
    this.newer.hidden = true;
    this.shownNumber = this.store.newest;
    for (const [refusedOnly, one] of this.filters) {
      one.setAttribute("aria-pressed", String(refusedOnly === this.refusedOnly));
    }
    this.empty.hidden = rows.length > 0;
    setText(this.empty, this.refusedOnly ? words.noneRefused : this.store.map.loops.length === 0 ? words.real.noLoop : words.noDecisions);
    this.list.replaceChildren(
      ...rows.slice(0, SHOWN).map((row) => decisionItem(row, this.speech, this.name(row.junction))),
    );
  }

  private name(junction: string): HTMLElement {
    const name = this.names.get(junction) ?? junction;
    return button(name, () => this.choose(junction), { class: "name" });
  }
}
