// The stages of the last minutes as a bar per phase, the way signal plans are drawn: time to the right,
// green where a phase had its green, the clearance after it, and below who was in charge.

import type { MapJunction } from "../shapes";
import { h, setAttribute, setText, svg } from "../dom";
import type { Speech } from "../words";
import { MINUTES, type StageLog } from "./stages";

const ROW = 12; // units of the drawing per phase
const BAR = 8;
const SPAN_S = MINUTES * 60;
const KINDS = ["green", "yellow", "red", "flash"] as const;
const CHARGES = ["local", "centre", "operator"] as const;

export class TimelineBar {
  readonly element: HTMLElement;
  private readonly bars = KINDS.map((kind) => svg("path", { class: `stage-${kind}` }));
  private readonly charges = CHARGES.map((charge) => svg("path", { class: `charge-${charge}` }));
  private readonly begins = h("span");
  private readonly ends = h("span");
  private readonly drawing: SVGSVGElement;
  private readonly rows: number;

  constructor(
    junction: MapJunction,
    private readonly speech: Speech,
  ) {
    this.rows = junction.phases.length;
    const high = this.rows * ROW + 6;
    this.drawing = svg("svg", { viewBox: `0 0 ${SPAN_S} ${high}`, preserveAspectRatio: "none", role: "img" });
    const minutes = Array.from({ length: MINUTES + 1 }, (_, i) => `M${i * 60} 0V${high}`).join("");
    this.drawing.append(svg("path", { class: "minutes", d: minutes }), ...this.bars, ...this.charges);
    const labels = junction.phases.map((_, phase) => h("li", {}, String(phase)));
    this.element = h(
      "figure",
      { class: "timeline" },
      h("figcaption", {}, speech.words.panelTimeline(MINUTES)),
      h("ol", { "aria-hidden": "true" }, ...labels),
      this.drawing,
      h("div", { class: "ends" }, this.begins, this.ends),
    );
  }

  show(log: StageLog): void {
    const paths: string[][] = KINDS.map(() => []);
    const charges: string[][] = CHARGES.map(() => []);
    let green = -1;
    log.stages.forEach((stage, i) => {
      const from = Math.max(0, stage.at - log.begin);
      const to = Math.min(SPAN_S, (log.stages[i + 1]?.at ?? log.end) - log.begin);
      if (stage.stage === 0) green = stage.phase;
      if (to <= from) return;
      // In clearance the cabinet names the phase to come; the bar belongs to the one that ends.
      const row = stage.stage === 0 ? stage.phase : green;
      if (stage.stage === 3) paths[3]?.push(this.whole(from, to));
      else if (row >= 0) paths[stage.stage]?.push(this.bar(row, from, to));
      charges[stage.inCharge]?.push(`M${from} ${this.rows * ROW + 2}H${to}`);
    });
    this.bars.forEach((path, i) => setAttribute(path, "d", paths[i]?.join("") ?? ""));
    this.charges.forEach((path, i) => setAttribute(path, "d", charges[i]?.join("") ?? ""));
    setText(this.begins, this.speech.clock(new Date(log.begin * 1000).toISOString()));
    setText(this.ends, this.speech.clock(new Date(log.end * 1000).toISOString()));
    setAttribute(this.drawing, "aria-label", this.summary(log));
  }

  private bar(row: number, from: number, to: number): string {
    const y = row * ROW + (ROW - BAR) / 2;
    return `M${from} ${y}H${to}V${y + BAR}H${from}Z`;
  }

  private whole(from: number, to: number): string {
    return `M${from} 0H${to}V${this.rows * ROW}H${from}Z`;
  }

  private summary(log: StageLog): string {
    const greens = log.stages.filter((stage) => stage.stage === 0);
    const shares = new Map<number, number>();
    log.stages.forEach((stage, i) => {
      if (stage.stage !== 0) return;
      const lasts = (log.stages[i + 1]?.at ?? log.end) - Math.max(stage.at, log.begin);
      shares.set(stage.phase, (shares.get(stage.phase) ?? 0) + lasts);
    });
    const parts = [...shares].sort(([a], [b]) => a - b);
    const list = parts.map(([phase, s]) => this.speech.words.panelGreen(phase, Math.round(s))).join(", ");
    return `${this.speech.words.panelTimeline(MINUTES)}: ${this.speech.words.panelChanges(greens.length)}; ${list}`;
  }
}
