// How fast each road is: every vehicle is laid on the nearest road that goes its way.

import type { MapData, Point, Vehicles } from "../shapes";

const CELL_M = 60;
const NEAR_M = 14;
const SAME_WAY = Math.cos((50 * Math.PI) / 180);
const FADE = 0.4; // weight of a new report against what a road was known for
const FORGET = 25; // reports without a vehicle after which a road is not known any more
/** Km/h below which a road is one level slower; the last level begins at 0. */
export const SPEED_STEPS_KMH = [30, 20, 10, 5] as const;

interface Piece {
  road: number;
  a: Point;
  along: Point; // unit vector
  length: number;
}

export class RoadSpeeds {
  /** Metres per second by road; NaN where no vehicle was seen lately. */
  readonly mean: Float32Array;
  private readonly cells = new Map<string, Piece[]>();
  private readonly quiet: Uint8Array;

  constructor(map: MapData) {
    this.mean = new Float32Array(map.roads.length).fill(NaN);
    this.quiet = new Uint8Array(map.roads.length);
    map.roads.forEach(({ shape }, road) => {
      shape.slice(1).forEach((b, i) => {
        const a = shape[i];
        if (a) this.put(road, a, b);
      });
    });
  }

  take(report: Vehicles | null): void {
    const sums = new Float32Array(this.mean.length);
    const counts = new Uint16Array(this.mean.length);
    for (let i = 0; i < (report?.ids.length ?? 0); i++) {
      const angle = ((report?.angle[i] ?? 0) * Math.PI) / 180;
      const road = this.roadAt([report?.x[i] ?? 0, report?.y[i] ?? 0], [Math.sin(angle), Math.cos(angle)]);
      if (road < 0) continue;
      sums[road] = (sums[road] ?? 0) + (report?.speed[i] ?? 0);
      counts[road] = (counts[road] ?? 0) + 1;
    }
    this.mean.forEach((known, road) => {
      const count = counts[road] ?? 0;
      const quiet = count > 0 ? 0 : Math.min((this.quiet[road] ?? 0) + 1, FORGET);
      this.quiet[road] = quiet;
      const seen = (sums[road] ?? 0) / count;
      if (count > 0) this.mean[road] = Number.isNaN(known) ? seen : known + (seen - known) * FADE;
      else if (quiet === FORGET) this.mean[road] = NaN;
    });
  }

  /** 0 where not known, then 1 (free) to 5 (standing). */
  levels(into: Uint8Array): void {
    this.mean.forEach((mps, road) => {
      const slower = SPEED_STEPS_KMH.filter((kmh) => mps * 3.6 < kmh).length;
      into[road] = Number.isNaN(mps) ? 0 : slower + 1;
    });
  }

  /** Metres per second on the road nearest to a place; NaN where it is not known. */
  near(at: Point): number {
    let best = NaN;
    let nearest = NEAR_M;
    for (const { road, a, along, length } of this.cells.get(cellOf(...at)) ?? []) {
      const m = (at[0] - a[0]) * along[0] + (at[1] - a[1]) * along[1];
      const off = Math.abs((at[0] - a[0]) * along[1] - (at[1] - a[1]) * along[0]);
      if (m >= 0 && m <= length && off < nearest) [best, nearest] = [this.mean[road] ?? NaN, off];
    }
    return best;
  }

  private put(road: number, a: Point, b: Point): void {
    const length = Math.hypot(b[0] - a[0], b[1] - a[1]);
    if (length === 0) return;
    const along: Point = [(b[0] - a[0]) / length, (b[1] - a[1]) / length];
    const piece = { road, a, along, length };
    const seen = new Set<string>();
    for (let m = 0; m <= length + CELL_M / 2; m += CELL_M / 2) {
      const at = Math.min(m, length);
      for (const cell of around([a[0] + along[0] * at, a[1] + along[1] * at])) {
        if (seen.has(cell)) continue;
        seen.add(cell);
        this.cells.set(cell, [...(this.cells.get(cell) ?? []), piece]);
      }
    }
  }

  private roadAt([x, y]: Point, [hx, hy]: Point): number {
    let best = -1;
    let nearest = NEAR_M;
    for (const { road, a, along, length } of this.cells.get(cellOf(x, y)) ?? []) {
      if (along[0] * hx + along[1] * hy < SAME_WAY) continue;
      const m = (x - a[0]) * along[0] + (y - a[1]) * along[1];
      if (m < -NEAR_M || m > length + NEAR_M) continue;
      const off = Math.abs((x - a[0]) * along[1] - (y - a[1]) * along[0]);
      if (off < nearest) [best, nearest] = [road, off];
    }
    return best;
  }
}

function cellOf(x: number, y: number): string {
  return `${Math.floor(x / CELL_M)} ${Math.floor(y / CELL_M)}`;
}

/** The cells within `NEAR_M` of a point. */
function around([x, y]: Point): string[] {
  const shifts = [-NEAR_M, NEAR_M];
  return shifts.flatMap((dx) => shifts.map((dy) => cellOf(x + dx, y + dy)));
}
