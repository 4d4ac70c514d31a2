// The sign of a junction: a disc with arrows for the movements that are green now.

import type { JunctionState, MapJunction } from "../shapes";
import { setAttribute, svg } from "../dom";
import type { Movement } from "./geometry";

const STAGES = ["green", "yellow", "red", "flash"];
const CHARGES = ["local", "centre", "operator"];
const RIGHT_HAND = 0.24; // traffic keeps to the right of the road's middle, as a share of the radius

export class Glyph {
  readonly element = svg("g", { class: "glyph" });
  private readonly disc = svg("circle", { class: "disc" });
  private readonly protectedGreen = svg("path", { class: "arrow" });
  private readonly permissive = svg("path", { class: "arrow permissive" });
  private radius = 0;
  private drawn = -1;

  constructor(
    private readonly junction: MapJunction,
    private readonly movements: Movement[],
  ) {
    this.element.append(this.disc, this.permissive, this.protectedGreen);
  }

  resize(radius: number): void {
    this.radius = radius;
    this.disc.setAttribute("r", String(radius));
    this.drawn = -1;
  }

  /** In clearance the cabinet names the phase to come, so what turns yellow is the one drawn last. */
  show([phase, stage, , inCharge]: JunctionState): void {
    setAttribute(this.element, "data-stage", STAGES[stage] ?? "red");
    setAttribute(this.element, "data-charge", CHARGES[inCharge] ?? "local");
    if (stage !== 0 || phase === this.drawn) return;
    this.drawn = phase;
    this.protectedGreen.setAttribute("d", this.arrows(phase, "G"));
    this.permissive.setAttribute("d", this.arrows(phase, "g"));
  }

  private arrows(phase: number, letter: string): string {
    const letters = this.junction.phases[phase] ?? "";
    return this.movements
      .filter((movement) => movement.links.some((link) => letters[link] === letter))
      .map((movement) => arrow(movement, this.radius * 0.86))
      .join("");
  }
}

/** SVG path of a curve over the disc, with its head. */
function arrow({ angle, exit }: Movement, r: number): string {
  const [x0, y0] = onRight(angle, angle + Math.PI, r);
  const [x1, y1] = onRight(exit, exit, r * 0.8);
  const tip = [x1 + Math.cos(exit) * r * 0.16, y1 - Math.sin(exit) * r * 0.16] as const;
  const head = [-2.55, 2.55].map((turn) => {
    const at = exit + turn;
    return `M${f(tip[0])} ${f(tip[1])}L${f(tip[0] + Math.cos(at) * r * 0.36)} ${f(tip[1] - Math.sin(at) * r * 0.36)}`;
  });
  const [cx, cy] = crossing(angle + Math.PI, exit, r);
  return `M${f(x0)} ${f(y0)}Q${f(cx)} ${f(cy)} ${f(tip[0])} ${f(tip[1])}${head.join("")}`;
}

/** Where the line of entry meets the line of exit, both to the right of the road's middle. */
function crossing(entry: number, exit: number, r: number): [number, number] {
  const [a, b] = [entry - Math.PI / 2, exit - Math.PI / 2];
  const scale = (r * RIGHT_HAND) / Math.max(1 + Math.cos(a - b), 0.3);
  return [(Math.cos(a) + Math.cos(b)) * scale, -(Math.sin(a) + Math.sin(b)) * scale];
}

/** A point at `angle` and radius `r`, moved to the right of the direction of travel. */
function onRight(angle: number, heading: number, r: number): [number, number] {
  const right = heading - Math.PI / 2;
  const x = Math.cos(angle) * r + Math.cos(right) * r * RIGHT_HAND;
  const y = Math.sin(angle) * r + Math.sin(right) * r * RIGHT_HAND;
  return [x, -y];
}

function f(value: number): string {
  return value.toFixed(1);
}
