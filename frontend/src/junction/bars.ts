// The detectors of one junction: from each side a bar per lane now, and its queue over the last minutes.

import type { LiveState, MapData, Timeline } from "../shapes";
import { h, setAttribute, setText, svg } from "../dom";
import { type Approach, approaches, edgeOf, load, side } from "../map/geometry";
import type { Speech } from "../words";

const FULL = 20; // vehicles of a lane that fill its bar
const LANE = 6; // units of the drawing per lane
const SPARK = { wide: 60, high: 20 };

interface Lane {
  detectors: number[];
  all: SVGRectElement;
  halting: SVGRectElement;
}

interface Side {
  approaches: Approach[];
  lanes: Lane[];
  spark: SVGPathElement;
  text: HTMLElement;
}

export class DetectorBars {
  readonly element: HTMLElement;
  private readonly sides: Side[] = [];

  constructor(
    private readonly map: MapData,
    row: number,
    private readonly speech: Speech,
  ) {
    const bySide = new Map<number, Approach[]>();
    for (const approach of approaches(map)) {
      if (approach.junction !== row) continue;
      const key = side(approach.angle);
      bySide.set(key, [...(bySide.get(key) ?? []), approach]);
    }
    const rows = [...bySide].sort(([a], [b]) => a - b).map(([key, here]) => this.row(key, here));
    this.element = h("table", { class: "bars" }, h("caption", {}, speech.words.panelDetectors), h("tbody", {}, ...rows));
  }

  show(state: LiveState): void {
    for (const { approaches: here, lanes, text } of this.sides) {
      const loads = here.map((approach) => load(approach, state));
      const queued = loads.reduce((sum, one) => sum + one.queued, 0);
      const vehicles = loads.reduce((sum, one) => sum + one.vehicles, 0);
      setText(text, this.speech.words.queuedOf(queued, vehicles));
      for (const lane of lanes) showLane(lane, state);
    }
  }

  /** Draw the queues of the last minutes. */
  showPast(detectors: Timeline["detectors"]): void {
    const byId = new Map(detectors.map((one) => [one.id, one.queued]));
    for (const { approaches: here, spark } of this.sides) {
      const ids = here.flatMap((approach) => approach.detectors.map((d) => this.map.detectors[d]?.id ?? ""));
      setAttribute(spark, "d", sparkline(ids.map((id) => byId.get(id) ?? [])));
    }
  }

  private row(key: number, here: Approach[]): HTMLElement {
    const { words } = this.speech;
    const byLane = new Map<string, number[]>();
    for (const d of here.flatMap((approach) => approach.detectors)) {
      const lane = this.map.detectors[d]?.lane ?? "";
      byLane.set(lane, [...(byLane.get(lane) ?? []), d]);
    }
    const sorted = [...byLane].sort(([a], [b]) => edgeOf(a).localeCompare(edgeOf(b)) || a.localeCompare(b));
    const lanes = sorted.map(([, detectors], i) => newLane(detectors, i * LANE));
    const bars = svg("svg", { class: "lanes", viewBox: `0 0 ${FULL} ${lanes.length * LANE}`, preserveAspectRatio: "none" });
    bars.append(...lanes.flatMap((lane) => [lane.all, lane.halting]));
    bars.style.height = `${lanes.length * LANE}px`;
    const spark = svg("path");
    const box = { class: "spark", viewBox: `0 0 ${SPARK.wide} ${SPARK.high}`, preserveAspectRatio: "none" };
    const text = h("td");
    this.sides.push({ approaches: here, lanes, spark, text });
    bars.setAttribute("aria-hidden", "true");
    const drawing = svg("svg", { ...box, "aria-hidden": "true" }, spark);
    const name = words.from(words.approaches[key] ?? "");
    return h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, bars), h("td", {}, drawing), text);
  }
}

function newLane(detectors: number[], y: number): Lane {
  const rect = (name: string) => svg("rect", { class: name, x: 0, y: y + 1, height: LANE - 2, width: 0 });
  return { detectors, all: rect("all"), halting: rect("halting") };
}

function showLane({ detectors, all, halting }: Lane, state: LiveState): void {
  const sum = (of: number[]) => detectors.reduce((total, d) => total + (of[d] ?? 0), 0);
  setAttribute(all, "width", Math.min(FULL, sum(state.vehicles_on)));
  setAttribute(halting, "width", Math.min(FULL, sum(state.queued)));
}

/** The sum of the series as an area; a step that nobody measured leaves a gap. */
function sparkline(series: (number | null)[][]): string {
  const steps = Math.max(0, ...series.map((one) => one.length));
  if (steps < 2) return "";
  const sums = Array.from({ length: steps }, (_, i) => {
    const known = series.map((one) => one[i]).filter((value) => value != null);
    return known.length === 0 ? null : known.reduce((a, b) => a + b, 0);
  });
  const most = Math.max(10, ...sums.map((sum) => sum ?? 0));
  const x = (i: number) => ((i / steps) * SPARK.wide).toFixed(1);
  const y = (sum: number) => (SPARK.high - (sum / most) * SPARK.high).toFixed(1);
  return sums
    .map((sum, i) => (sum === null ? "" : `M${x(i)} ${SPARK.high}V${y(sum)}H${x(i + 1)}V${SPARK.high}Z`))
    .join("");
}
