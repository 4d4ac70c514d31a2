// Where each vehicle is between two reports: it glides from where it was drawn to where it is now.

import type { Vehicles } from "../shapes";

const LEAP_M = 90; // farther than that between two reports, a straight glide would cut through houses
const SHORTEST_MS = 50;
const LONGEST_MS = 1000;

/** Positions by columns; row i is one vehicle. Metres, and radians counter-clockwise from east. */
export class Fleet {
  count = 0;
  x = new Float32Array(0);
  y = new Float32Array(0);
  heading = new Float32Array(0);
  private from = new Float32Array(0); // x, y, heading of each row when the glide began
  private to = new Float32Array(0);
  private rows = new Map<number, number>();
  private began = 0;
  private spanMs = 200;

  /** Take a report that came at `now` (ms). */
  take(report: Vehicles | null, now: number): void {
    if (report === null) {
      this.count = 0;
      this.rows.clear();
      return;
    }
    this.at(now);
    const { ids, x, y, angle } = report;
    const rows = new Map<number, number>();
    const from = new Float32Array(ids.length * 3);
    const to = new Float32Array(ids.length * 3);
    ids.forEach((id, row) => {
      rows.set(id, row);
      to.set([x[row] ?? 0, y[row] ?? 0, ((90 - (angle[row] ?? 0)) * Math.PI) / 180], row * 3);
      from.set(this.start(id, to, row), row * 3);
    });
    Object.assign(this, { from, to, rows, count: ids.length });
    this.x = new Float32Array(ids.length);
    this.y = new Float32Array(ids.length);
    this.heading = new Float32Array(ids.length);
    // Reports come as they can; the glide takes as long as the last ones were apart.
    const apart = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, now - this.began));
    this.spanMs += (apart - this.spanMs) * 0.3;
    this.began = now;
  }

  /** Put every vehicle where it is at `now`; false when all have arrived. */
  at(now: number): boolean {
    const share = Math.min(1, (now - this.began) / this.spanMs);
    const { from, to, x, y, heading, count } = this;
    for (let row = 0, k = 0; row < count; row++, k += 3) {
      x[row] = mixed(from[k], to[k], share);
      y[row] = mixed(from[k + 1], to[k + 1], share);
      heading[row] = mixed(from[k + 2], to[k + 2], share);
    }
    return share < 1;
  }

  /** Let nothing glide: every vehicle is where it was reported. */
  settle(): void {
    this.began = -Infinity;
    this.at(0);
  }

  private start(id: number, to: Float32Array, row: number): number[] {
    const [x = 0, y = 0, heading = 0] = to.subarray(row * 3, row * 3 + 3);
    const old = this.rows.get(id);
    if (old === undefined) return [x, y, heading];
    const [ox = 0, oy = 0, oh = 0] = [this.x[old], this.y[old], this.heading[old]];
    if (Math.hypot(x - ox, y - oy) > LEAP_M) return [x, y, heading];
    const turn = Math.atan2(Math.sin(oh - heading), Math.cos(oh - heading));
    return [ox, oy, heading + turn]; // the short way round
  }
}

function mixed(a = 0, b = 0, share: number): number {
  return a + (b - a) * share;
}
