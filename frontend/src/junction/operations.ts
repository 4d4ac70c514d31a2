// The operator's hand on a junction: hold, lock out, flash, release, each asked for once more.

import { operate } from "../api";
import type { MapJunction, Operation } from "../shapes";
import type { Context } from "../context";
import { ask } from "../dialog";
import { button, h } from "../dom";

const OPERATIONS: Operation[] = ["hold", "lock_out", "flash", "release"];

export class Operations {
  readonly element: HTMLElement;
  private readonly buttons: HTMLButtonElement[];

  constructor(
    private readonly context: Context,
    private readonly junction: MapJunction,
    private readonly row: number,
  ) {
    const { words } = context.speech;
    this.buttons = OPERATIONS.map((action) =>
      button(words.operations[action], () => this.operate(action), { "data-operation": action }),
    );
    this.element = h("div", { class: "buttons", role: "group", "aria-label": words.panelByHand }, ...this.buttons);
  }

  /** While a past moment is on the screen nothing may be operated: it would act on the present. */
  show(): void {
    const past = this.context.store.replay !== null;
    for (const one of this.buttons) {
      if (!one.hasAttribute("aria-busy")) one.disabled = past;
      one.title = past ? this.context.speech.words.panelNotInReplay : "";
    }
  }

  private async operate(action: Operation): Promise<void> {
    const { speech, command } = this.context;
    const { words } = speech;
    const phase = this.phaseField();
    const minutes = h("input", { type: "number", min: 1, max: 240, step: 1, value: 15, required: true });
    const fields = [];
    if (action === "hold") fields.push(h("label", {}, words.holdPhase, phase));
    if (action !== "release") fields.push(h("label", {}, words.forMinutes, minutes));
    const sure = await ask(speech, {
      title: words.operateTitle(words.operations[action], this.junction.name),
      help: words.operationHelp[action],
      fields,
      yes: words.operations[action],
      danger: action === "flash",
    });
    if (!sure) return;
    const held = action === "hold" ? Number(phase.value) : null;
    await command(operate(this.junction.id, action, held, Number(minutes.value)));
  }

  private phaseField(): HTMLSelectElement {
    const now = this.context.store.live?.junctions[this.row]?.[0] ?? 0;
    const options = this.junction.phases.map((_, phase) =>
      h("option", { value: phase, selected: phase === now }, `${this.context.speech.words.phase} ${phase}`),
    );
    return h("select", {}, ...options);
  }
}
