// The loops: how far each may go on each group of junctions, and what waits for a person's word.

import { advise, MODES, setMode } from "../api";
import type { Decision, MapLoop, Mode } from "../shapes";
import type { Context } from "../context";
import { ask } from "../dialog";
import { button, h, setAttribute, setText } from "../dom";
import { reason } from "../parts/decision";
import type { Speech } from "../words";

/** The four modes of a loop on one group, of which one is pressed. */
export class ModeSwitch {
  readonly element: HTMLElement;
  private readonly buttons: [Mode, HTMLButtonElement][];

  /** `cabinets`: whether there are any; where not, nothing can act. */
  constructor(speech: Speech, group: string, cabinets: boolean, change: (mode: Mode) => Promise<void>) {
    const { words } = speech;
    const offered = MODES.filter((mode) => cabinets || mode !== "act");
    this.buttons = offered.map((mode) => [
      mode,
      button(words.modes[mode], () => change(mode), { "data-mode": mode, title: words.modeHelp[mode] }),
    ]);
    const attributes = { class: "segments small", role: "group", "aria-label": words.mode(group) };
    this.element = h("div", attributes, ...this.buttons.map(([, one]) => one));
  }

  show(chosen: Mode | undefined): void {
    for (const [mode, one] of this.buttons) setAttribute(one, "aria-pressed", String(mode === chosen));
  }
}

export class Loops {
  readonly element: HTMLElement;
  private readonly switches: { loop: string; group: string; one: ModeSwitch }[] = [];

  constructor(private readonly context: Context) {
    const { store, speech } = context;
    const loops = store.map.loops.flatMap((loop) => [h("h2", {}, speech.words.loops, h("small", {}, loop.name)), this.groups(loop)]);
    this.element = h("section", { class: "loops", "aria-label": speech.words.loops }, ...loops);
  }

  show(): void {
    const modes = this.context.store.state?.modes ?? {};
    for (const { loop, group, one } of this.switches) one.show(modes[loop]?.[group]);
  }

  /** Change a mode. `act` asks for the shadow result that justifies it, unless `proven` by its own. */
  static async change(context: Context, loop: string, group: string, mode: Mode, proven: boolean): Promise<void> {
    const { store, speech, command } = context;
    if (store.live?.modes[loop]?.[group] === mode) return;
    const { words } = speech;
    let shadowResult: string | null = null;
    if (mode === "act") {
      const field = h("input", { name: "shadow", required: !proven, maxlength: 300, placeholder: words.shadowExample });
      const sure = await ask(speech, {
        title: words.actTitle(group),
        help: proven ? `${words.actHelp} ${words.loopPage.actByShadow}` : words.actHelp,
        fields: [h("label", {}, words.shadowResult, field)],
        yes: words.modes.act,
      });
      if (!sure) return;
      shadowResult = field.value.trim() || null;
    }
    await command(setMode(loop, group, mode, shadowResult, context.operator()));
  }

  private groups(loop: MapLoop): HTMLElement {
    const { speech } = this.context;
    const rows = loop.groups.map((group) => {
      const count = h("small", {}, speech.words.junctionCount(group.junctions.length));
      const one = new ModeSwitch(speech, group.name, this.context.store.map.twin, (mode) => Loops.change(this.context, loop.name, group.name, mode, false));
      this.switches.push({ loop: loop.name, group: group.name, one });
      return h("li", { "data-group": group.name }, h("span", { class: "group" }, h("b", {}, group.name), count), one.element);
    });
    return h("ul", { class: "groups" }, ...rows);
  }
}

/** What waits for a person, one fixed row per junction so that no button moves under the hand. */
export class Advice {
  readonly element: HTMLElement;
  private readonly list = h("ul", { class: "scroller", tabindex: 0 });
  private readonly rows = new Map<string, AdviceRow>();

  constructor(private readonly context: Context) {
    const { words } = context.speech;
    this.element = h("section", { class: "advice", "aria-label": words.advice, hidden: true }, h("h3", {}, words.advice), this.list);
  }

  show(): void {
    const { store, names } = this.context;
    const waiting = new Map(store.waiting().map((row) => [row.junction, row]));
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
        row = new AdviceRow(this.context, names.get(junction) ?? junction);
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
    private readonly context: Context,
    private readonly name: string,
  ) {
    const { speech, command, operator } = context;
    const { words } = speech;
    const answer = (confirm: boolean) => () => command(advise(this.decision, confirm, operator()));
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
    setText(this.deed, `${this.name} ${this.context.speech.action(decision.action, decision.phase)}`);
    const why = reason(decision, this.context.speech);
    this.reason.replaceWith(why);
    this.reason = why;
  }
}
