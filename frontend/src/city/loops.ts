// The loops: how far each may go on each group of junctions, and what waits for a person's word.

import { advise, type Decision, type MapLoop, type Mode, MODES, setMode } from "../api";
import { ask } from "../dialog";
import { button, h, setAttribute, setText } from "../dom";
import { reason } from "../parts/decision";
import type { Store } from "../store";
import type { Speech } from "../words";

type Command = (work: Promise<void>) => Promise<void>;

export class Loops {
  readonly element: HTMLElement;
  private readonly switches: { loop: string; group: string; mode: Mode; button: HTMLButtonElement }[] = [];

  constructor(
    private readonly store: Store,
    private readonly speech: Speech,
    private readonly command: Command,
  ) {
    this.element = h(
      "section",
      { class: "loops", "aria-label": speech.words.loops },
      ...store.map.loops.flatMap((loop) => [h("h2", {}, speech.words.loops, h("small", {}, loop.name)), this.groups(loop)]),
    );
  }

  show(): void {
    const modes = this.store.state?.modes ?? {};
    for (const { loop, group, mode, button } of this.switches) {
      setAttribute(button, "aria-pressed", String(modes[loop]?.[group] === mode));
    }
  }

  private groups(loop: MapLoop): HTMLElement {
    const { words } = this.speech;
    const rows = loop.groups.map((group) => {
      const count = h("small", {}, words.junctionCount(group.junctions.length));
      const bar = h("div", { class: "segments small", role: "group", "aria-label": words.mode(group.name) });
      for (const mode of MODES) {
        const one = button(words.modes[mode], () => this.change(loop.name, group.name, mode), {
          "data-mode": mode,
          title: words.modeHelp[mode],
        });
        this.switches.push({ loop: loop.name, group: group.name, mode, button: one });
        bar.append(one);
      }
      return h("li", { "data-group": group.name }, h("span", { class: "group" }, h("b", {}, group.name), count), bar);
    });
    return h("ul", { class: "groups" }, ...rows);
  }

  private async change(loop: string, group: string, mode: Mode): Promise<void> {
    if (this.store.state?.modes[loop]?.[group] === mode) return;
    const { words } = this.speech;
    let shadowResult: string | null = null;
    if (mode === "act") {
      const field = h("input", { name: "shadow", required: true, maxlength: 300, placeholder: words.shadowExample });
      const sure = await ask(this.speech, {
        title: words.actTitle(group),
        help: words.actHelp,
        fields: [h("label", {}, words.shadowResult, field)],
        yes: words.modes.act,
      });
      if (!sure) return;
      shadowResult = field.value;
    }
    await this.command(setMode(loop, group, mode, shadowResult));
  }
}

/** What waits for a person, one fixed row per junction so that no button moves under the hand. */
export class Advice {
  readonly element: HTMLElement;
  private readonly list = h("ul", { class: "scroller", tabindex: 0 });
  private readonly rows = new Map<string, AdviceRow>();

  constructor(
    private readonly store: Store,
    private readonly speech: Speech,
    private readonly names: Map<string, string>,
    private readonly command: Command,
  ) {
    const { words } = speech;
    this.element = h("section", { class: "advice", "aria-label": words.advice, hidden: true }, h("h3", {}, words.advice), this.list);
  }

  show(): void {
    const waiting = new Map(this.store.waiting().map((row) => [row.junction, row]));
    this.element.hidden = waiting.size === 0;
    for (const [junction, row] of this.rows) {
      if (waiting.has(junction)) continue;
      row.element.remove();
      this.rows.delete(junction);
    }
    let before: Element | null = this.list.firstElementChild;
    for (const [junction, decision] of waiting) {
      let row = this.rows.get(junction);
      if (row) before = row.element.nextElementSibling;
      else {
        row = new AdviceRow(this.speech, this.names.get(junction) ?? junction, this.command);
        this.rows.set(junction, row);
        this.list.insertBefore(row.element, before);
      }
      row.show(decision);
    }
  }
}

class AdviceRow {
  readonly element: HTMLElement;
  private readonly deed = h("span", { class: "deed" });
  private reason = h("span");
  private decision = "";

  constructor(
    private readonly speech: Speech,
    private readonly name: string,
    command: Command,
  ) {
    const { words } = speech;
    const answer = (confirm: boolean) => () => command(advise(this.decision, confirm));
    this.element = h(
      "li",
      {},
      this.deed,
      h("span", { class: "buttons" }, button(words.reject, answer(false)), button(words.confirm, answer(true), { class: "strong" })),
      this.reason,
    );
  }

  show(decision: Decision): void {
    if (this.decision === decision.id) return;
    this.decision = decision.id;
    setAttribute(this.element, "data-decision", decision.id);
    setText(this.deed, `${this.name} ${this.speech.action(decision.action, decision.phase)}`);
    const why = reason(decision, this.speech);
    this.reason.replaceWith(why);
    this.reason = why;
  }
}
