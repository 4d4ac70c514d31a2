// What lies under the signs: paper, roads, and their colour by queue or speed. There are two grounds:
// drawn by WebGL, with a camera, and plain SVG, for the first moment and where WebGL is absent.

import type { MapData, Point } from "../shapes";
import { svg } from "../dom";
import type { Approach } from "./geometry";
import type { Palette } from "./palette";
import { type Box, fitted, place, type View } from "./view";

/** Levels of each approach's queue and of each road's speed; rows as in `approaches` and `map.roads`. */
export interface Levels {
  queue: Uint8Array;
  speed: Uint8Array;
}

export interface Ground {
  readonly element: Element;
  readonly view: View;
  show(levels: Levels): void;
  dress(palette: Palette): void;
  resize(width: number, height: number): void;
  /** Null where the ground has no camera. */
  readonly camera: Camera | null;
  dispose(): void;
}

export interface Camera {
  /** One step nearer (1) or farther (-1); `around` stays where it is on the screen. */
  zoom(steps: 1 | -1, around: Point): void;
  /** Show the whole network again. */
  home(): void;
  /** Bring a place into view, if it is not. */
  reveal(at: Point): void;
}

export const MARGIN_PX = 26;

/** The ground as SVG, always whole. Its colours are those of the style sheet. */
export class PlainGround implements Ground {
  readonly camera = null;
  readonly element = svg("svg", { class: "drawing", "aria-hidden": "true" });
  view: View;
  private readonly casings: SVGPolylineElement[];
  private readonly roads: { line: SVGPolylineElement; shape: Point[] }[];
  private readonly queues: { line: SVGPolylineElement; shape: Point[] }[];

  constructor(
    map: MapData,
    approaches: Approach[],
    private readonly box: Box,
  ) {
    this.view = fitted(box, 1, 1, 0);
    const line = (name: string, shape: Point[]) => ({ line: svg("polyline", { class: name }), shape });
    this.roads = map.roads.map((road) => line("road", road.shape));
    this.queues = approaches.map((approach) => line("queue", approach.shape));
    this.casings = map.roads.map(() => svg("polyline", { class: "casing" }));
    const lines = [...this.roads, ...this.queues].map((one) => one.line);
    this.element.append(...this.casings, ...lines);
  }

  show({ queue, speed }: Levels): void {
    this.queues.forEach(({ line }, row) => (line.dataset.level = String(queue[row])));
    this.roads.forEach(({ line }, row) => (line.dataset.level = String(speed[row])));
  }

  dress(): void {
    // The style sheet does it.
  }

  resize(width: number, height: number): void {
    this.view = fitted(this.box, width, height, MARGIN_PX);
    this.element.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const points = (shape: Point[]) =>
      shape.map((point) => place(this.view, point).map((value) => value.toFixed(1)).join(",")).join(" ");
    this.roads.forEach(({ line, shape }, row) => {
      line.setAttribute("points", points(shape));
      this.casings[row]?.setAttribute("points", points(shape));
    });
    for (const { line, shape } of this.queues) line.setAttribute("points", points(shape));
  }

  dispose(): void {
    this.element.remove();
  }
}
