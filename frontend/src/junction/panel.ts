// One junction in full: what it shows and who is in charge, its queues, why it was decided so, and
// the operator's hand on it.

import { type Decision, operate, type Operation, readDecisions } from "../api";
import { ask } from "../dialog";
import { button, h, setAttribute, setText, svg } from "../dom";
import { type Approach, approaches, load, movements, side } from "../map/geometry";
import { Glyph } from "../map/glyph";
import { decisionItem } from "../parts/decision";
import type { Store } from "../store";
import type { Speech } from "../words";

const GLYPH_PX = 30;
const FULL_QUEUE = 40; // vehicles that fill a bar
const SHOWN = 6;
const OPERATIONS: Operation[] = ["hold", "lock_out", "flash", "release"];

export class JunctionPanel {
  readonly element: HTMLElement;
  private readonly glyph: Glyph;
  private readonly phase = h("p", { class: "phase" });
  private readonly charge = h("p", { class: "charge" });
  private readonly sides: { approaches: Approach[]; fill: HTMLElement; text: HTMLElement }[] = [];
  private readonly list = h("ol", { class: "decisions" });
  private readonly empty = h("p", { class: "empty" });
  private past: Decision[] = [];
  private shownNumber = -1;

  constructor(
    private readonly store: Store,
    private readonly speech: Speech,
    private readonly row: number,
    private readonly command: (work: Promise<void>) => Promise<void>,
    close: () => void,
  ) {
    const { words } = speech;
    const junction = this.junction;
    this.glyph = new Glyph(junction, movements(store.map, junction));
    this.glyph.resize(GLYPH_PX);
    const drawing = svg("svg", { class: "sign", viewBox: "-36 -36 72 72", "aria-hidden": "true" });
    drawing.append(this.glyph.element);
    this.element = h(
      "section",
      { class: "junction", "aria-label": junction.name, tabindex: -1 },
      h("div", { class: "heading" }, h("h2", {}, junction.name), button(words.close, close, { class: "quiet" })),
      h("div", { class: "now" }, drawing, h("div", {}, this.phase, this.charge)),
      this.queues(),
      h("div", { class: "buttons" }, ...OPERATIONS.map((action) => this.operation(action))),
      this.empty,
      this.list,
    );
    void this.readPast();
  }

  show(): void {
    const one = this.store.state?.junctions[this.row];
    const state = this.store.state;
    if (!one || !state) return;
    const { words } = this.speech;
    const inCharge = one[3];
    this.glyph.show(one);
    setText(this.phase, this.speech.shown(one));
    const charge = [words.local, words.centre, words.operator][inCharge] ?? "";
    setText(this.charge, `${words.inCharge}: ${charge}`);
    setAttribute(this.charge, "data-charge", inCharge);
    for (const { approaches: here, fill, text } of this.sides) {
      const loads = here.map((approach) => load(approach, state));
      const queued = loads.reduce((sum, one) => sum + one.queued, 0);
      const vehicles = loads.reduce((sum, one) => sum + one.vehicles, 0);
      setAttribute(fill, "value", Math.min(queued, FULL_QUEUE));
      setText(text, words.queuedOf(queued, vehicles));
    }
    this.showDecisions();
  }

  private get junction() {
    const junction = this.store.map.junctions[this.row];
    if (!junction) throw new RangeError(`no junction ${this.row}`);
    return junction;
  }

  private queues(): HTMLElement {
    const bySide = new Map<number, Approach[]>();
    for (const approach of approaches(this.store.map)) {
      if (approach.junction !== this.row) continue;
      const key = side(approach.angle);
      bySide.set(key, [...(bySide.get(key) ?? []), approach]);
    }
    const { words } = this.speech;
    const rows = [...bySide].sort(([a], [b]) => a - b).map(([key, here]) => {
      const name = words.from(words.approaches[key] ?? "");
      const fill = h("meter", { min: 0, max: FULL_QUEUE, low: 15, high: 30, optimum: 0, "aria-label": name });
      const text = h("td");
      this.sides.push({ approaches: here, fill, text });
      return h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, fill), text);
    });
    return h("table", { class: "queues" }, h("tbody", {}, ...rows));
  }

  private operation(action: Operation): HTMLButtonElement {
    return button(this.speech.words.operations[action], () => this.operate(action), { "data-operation": action });
  }

  private async operate(action: Operation): Promise<void> {
    const { words } = this.speech;
    const phase = this.phaseField();
    const minutes = h("input", { type: "number", min: 1, max: 240, step: 1, value: 15, required: true });
    const fields = [];
    if (action === "hold") fields.push(h("label", {}, words.holdPhase, phase));
    if (action !== "release") fields.push(h("label", {}, words.forMinutes, minutes));
    const sure = await ask(this.speech, {
      title: words.operateTitle(words.operations[action], this.junction.name),
      help: words.operationHelp[action],
      fields,
      yes: words.operations[action],
      danger: action === "flash",
    });
    if (!sure) return;
    const held = action === "hold" ? Number(phase.value) : null;
    await this.command(operate(this.junction.id, action, held, Number(minutes.value)));
  }

  private phaseField(): HTMLSelectElement {
    const now = this.store.state?.junctions[this.row]?.[0] ?? 0;
    const options = this.junction.phases.map((_, phase) =>
      h("option", { value: phase, selected: phase === now }, `${this.speech.words.phase} ${phase}`),
    );
    return h("select", {}, ...options);
  }

  private async readPast(): Promise<void> {
    this.past = await readDecisions(SHOWN, this.junction.id);
    this.shownNumber = -1;
    this.showDecisions();
  }

  private showDecisions(): void {
    const { newest } = this.store;
    if (newest === this.shownNumber) return;
    this.shownNumber = newest;
    const fresh = this.store.decisions.filter((row) => row.junction === this.junction.id);
    const known = new Set(fresh.map((row) => row.id));
    const rows = [...fresh, ...this.past.filter((row) => !known.has(row.id))].slice(0, SHOWN);
    setText(this.empty, rows.length > 0 ? "" : this.speech.words.noneHere);
    this.list.replaceChildren(...rows.map((row) => decisionItem(row, this.speech)));
  }
}
