// Where the network's plane lies on the screen: north up, no turn, so a scale and a shift say it all.

import type { Point } from "../shapes";

export interface View {
  /** Pixels per metre. */
  scale: number;
  /** Where the plane's origin lies, in pixels from the map's upper left corner. */
  left: number;
  top: number;
  width: number;
  height: number;
}

export interface Box {
  low: Point;
  high: Point;
}

/** How much larger things are drawn on a map of so many pixels: on a wall people stand away from it. */
export function enlarged(width: number): number {
  return Math.min(2.5, Math.max(1, width / 1600));
}

export function place(view: View, [x, y]: Point): Point {
  return [view.left + x * view.scale, view.top - y * view.scale];
}

export function unplace(view: View, [px, py]: Point): Point {
  return [(px - view.left) / view.scale, (view.top - py) / view.scale];
}

/** The view that shows `box` whole and in the middle. */
export function fitted({ low, high }: Box, width: number, height: number, margin: number): View {
  const span: Point = [Math.max(high[0] - low[0], 1), Math.max(high[1] - low[1], 1)];
  const scale = Math.max(Math.min((width - 2 * margin) / span[0], (height - 2 * margin) / span[1]), 1e-6);
  const left = (width - span[0] * scale) / 2 - low[0] * scale;
  const top = (height - span[1] * scale) / 2 + high[1] * scale;
  return { scale, left, top, width, height };
}
