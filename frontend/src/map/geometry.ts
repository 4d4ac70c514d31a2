// From what the city tells of its roads to what the map draws: approaches, queues, movements.
// Angles are radians, counter-clockwise from east, in the network's plane (y is north).

import type { LiveState, MapData, MapDetector, MapJunction, Point } from "../shapes";

/** Detectors side by side on one road piece before one junction. */
export interface Approach {
  junction: number;
  /** Where its traffic comes from, seen from the junction. */
  angle: number;
  /** From upstream to the stop line, along its middle lane. */
  shape: Point[];
  lanes: number;
  detectors: number[];
}

/** One way over a junction: entered from `angle`, left towards `exit`. */
export interface Movement {
  angle: number;
  exit: number;
  links: number[];
}

const TURN: Record<string, number> = { s: 0, l: 1, L: 0.5, r: -1, R: -0.5, t: 1.8 };
const SAME_PIECE_M = 40;
const ROOM_M = 150; // about a device that stands alone

export function edgeOf(lane: string): string {
  return lane.replace(/_\d+$/, "");
}

export function approaches(map: MapData): Approach[] {
  const rows = new Map(map.junctions.map((junction, row) => [junction.id, row]));
  const found = new Map<string, Approach>();
  map.detectors.forEach((detector, d) => {
    const row = rows.get(detector.junction);
    const junction = row === undefined ? undefined : map.junctions[row];
    const ends = endsOf(detector);
    if (row === undefined || !junction || !ends) return;
    const [from, to] = ends;
    const piece = Math.round(distance(to, [junction.x, junction.y]) / SAME_PIECE_M);
    const key = `${row} ${edgeOf(detector.lane)} ${piece}`;
    const known = found.get(key);
    if (known) known.detectors.push(d);
    else {
      const angle = Math.atan2(from[1] - junction.y, from[0] - junction.x);
      found.set(key, { junction: row, angle, shape: detector.shape, lanes: 0, detectors: [d] });
    }
  });
  for (const one of found.values()) settle(one, map);
  return [...found.values()];
}

/** Count an approach's lanes and lay its line along their middle. */
function settle(one: Approach, map: MapData): void {
  const shapes = one.detectors.map((d) => map.detectors[d]?.shape ?? []);
  one.lanes = new Set(one.detectors.map((d) => map.detectors[d]?.lane)).size;
  const [first, last] = [shapes[0] ?? [], shapes.at(-1) ?? []];
  const alike = first.length === last.length;
  const middle = shapes[Math.floor(shapes.length / 2)] ?? first;
  one.shape = alike ? first.map((point, i) => mix(point, last[i] ?? point, 0.5)) : middle;
}

/** Vehicles halting and vehicles in all on an approach. */
export function load(approach: Approach, state: LiveState): { queued: number; vehicles: number } {
  let queued = 0;
  let vehicles = 0;
  for (const d of approach.detectors) {
    queued += state.queued[d] ?? 0;
    vehicles += state.vehicles_on[d] ?? 0;
  }
  return { queued, vehicles };
}

/** Metres from a point to a line. */
export function awayFrom(shape: Point[], [x, y]: Point): number {
  let best = Infinity;
  for (let i = 1; i < shape.length; i++) {
    const [a, b] = [shape[i - 1], shape[i]];
    if (!a || !b) continue;
    const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
    const along = ((x - a[0]) * dx + (y - a[1]) * dy) / (dx * dx + dy * dy || 1);
    const share = Math.min(1, Math.max(0, along));
    best = Math.min(best, Math.hypot(a[0] + share * dx - x, a[1] + share * dy - y));
  }
  return best;
}

/** The movements that a signal really controls: those that may go in every phase are left out. */
export function movements(map: MapData, junction: MapJunction): Movement[] {
  const angles = laneAngles(map, junction);
  const found = new Map<string, Movement>();
  junction.links.forEach((link, index) => {
    const angle = angles.get(link.lane);
    const turn = TURN[link.direction];
    if (angle === undefined || turn === undefined) return;
    if (junction.phases.every((phase) => phase[index]?.toLowerCase() === "g")) return;
    const key = `${angle.toFixed(1)} ${turn}`;
    const known = found.get(key);
    if (known) known.links.push(index);
    else found.set(key, { angle, exit: angle + Math.PI + (turn * Math.PI) / 2, links: [index] });
  });
  return [...found.values()];
}

/** Index 0 to 7 of the compass side an angle points to: east, north-east, north, … */
export function side(angle: number): number {
  return (Math.round(angle / (Math.PI / 4)) + 8) % 8;
}

export function bounds(map: MapData): { low: Point; high: Point } {
  const points: Point[] = map.roads.flatMap((road) => road.shape);
  points.push(...map.detectors.flatMap((detector) => detector.shape));
  points.push(...map.junctions.map((junction): Point => [junction.x, junction.y]));
  if (points.length === 0) points.push(...aroundDevices(map));
  const low: Point = [Infinity, Infinity];
  const high: Point = [-Infinity, -Infinity];
  for (const [x, y] of points) {
    low[0] = Math.min(low[0], x);
    low[1] = Math.min(low[1], y);
    high[0] = Math.max(high[0], x);
    high[1] = Math.max(high[1], y);
  }
  return { low, high };
}

/** Without streets the devices make the picture, each with some room; without any, the anchor does. */
function aroundDevices(map: MapData): Point[] {
  const at = map.devices.map(({ x, y }): Point => [x, y]);
  const middles: Point[] = at.length > 0 ? at : [[0, 0]];
  return middles.flatMap(([x, y]): Point[] => [
    [x - ROOM_M, y - ROOM_M],
    [x + ROOM_M, y + ROOM_M],
  ]);
}

export function distance(a: Point, b: Point): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1]);
}

/** Of each incoming lane, where its traffic comes from, by its detector nearest the stop line. */
function laneAngles(map: MapData, junction: MapJunction): Map<string, number> {
  const centre: Point = [junction.x, junction.y];
  const nearest = new Map<string, { metres: number; angle: number }>();
  for (const detector of map.detectors) {
    const ends = detector.junction === junction.id ? endsOf(detector) : undefined;
    if (!ends) continue;
    const [from, to] = ends;
    const metres = distance(to, centre);
    if (metres >= (nearest.get(detector.lane)?.metres ?? Infinity)) continue;
    nearest.set(detector.lane, { metres, angle: Math.atan2(from[1] - to[1], from[0] - to[0]) });
  }
  return new Map([...nearest].map(([lane, { angle }]) => [lane, angle]));
}

function endsOf(detector: MapDetector): [Point, Point] | undefined {
  const from = detector.shape[0];
  const to = detector.shape.at(-1);
  return from && to ? [from, to] : undefined;
}

function mix(a: Point, b: Point, share: number): Point {
  return [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share];
}
