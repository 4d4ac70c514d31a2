// The map: roads, queues before each junction, and what each signal shows. Drawn as SVG, because its
// few hundred elements are then reachable by keyboard and screen reader and follow the colour scheme.

import type { LiveState, MapData, Point } from "../api";
import { h, setAttribute, setText, svg } from "../dom";
import { type Approach, approaches, bounds, load, movements } from "./geometry";
import { Glyph } from "./glyph";
import type { Speech } from "../words";

const MARGIN_PX = 18;
const NAME_PX = 7; // width of a letter of a junction's name
const LEVELS = [1, 3, 6, 10]; // queued vehicles per lane from which a queue counts as one level more

export class CityMap {
  readonly element: HTMLElement;
  private readonly drawing: SVGSVGElement;
  private readonly junctions: { spot: SVGGElement; glyph: Glyph; at: Point }[];
  private readonly approaches: { approach: Approach; line: SVGLineElement }[];
  private readonly roads: { line: SVGPolylineElement; shape: Point[] }[];
  private readonly box: { low: Point; high: Point };
  private chosen = -1;

  constructor(
    private readonly map: MapData,
    private readonly speech: Speech,
    private readonly names: Map<string, string>,
    private readonly choose: (junction: number) => void,
  ) {
    this.box = bounds(map);
    this.roads = map.roads.map((road) => ({
      line: svg("polyline", { class: "road" }),
      shape: road.shape,
    }));
    this.approaches = approaches(map).map((approach) => ({
      approach,
      line: svg("line", { class: "queue" }),
    }));
    this.junctions = map.junctions.map((junction, row) => this.junction(row, [junction.x, junction.y]));
    this.drawing = svg("svg", { class: "drawing", role: "group", "aria-label": speech.words.map });
    this.drawing.append(
      svg("g", {}, ...this.roads.map((road) => road.line)),
      svg("g", {}, ...this.approaches.map((one) => one.line)),
      svg("g", {}, ...this.junctions.map((one) => one.spot)),
    );
    this.element = h("section", { class: "map", "aria-label": speech.words.map }, this.drawing, this.legend());
    new ResizeObserver(() => this.layout()).observe(this.drawing);
  }

  show(state: LiveState): void {
    this.junctions.forEach(({ glyph, spot }, row) => {
      const one = state.junctions[row];
      if (!one) return;
      glyph.show(one);
      setAttribute(spot, "aria-label", this.describe(row, state));
    });
    for (const { approach, line } of this.approaches) {
      const { queued } = load(approach, state);
      const level = LEVELS.filter((from) => queued / approach.lanes >= from).length;
      setAttribute(line, "data-level", level);
    }
  }

  mark(junction: number): void {
    this.chosen = junction;
    this.junctions.forEach(({ spot }, row) => setAttribute(spot, "aria-pressed", String(row === junction)));
  }

  focus(): void {
    this.junctions[Math.max(this.chosen, 0)]?.spot.focus();
  }

  private describe(row: number, state: LiveState): string {
    const { words } = this.speech;
    const junction = this.map.junctions[row];
    const one = state.junctions[row];
    if (!junction || !one) return "";
    const here = this.approaches.filter((one) => one.approach.junction === row);
    const queued = here.reduce((sum, one) => sum + load(one.approach, state).queued, 0);
    return `${junction.name}: ${this.speech.shown(one)}; ${words.queued} ${queued}`;
  }

  private junction(row: number, at: Point) {
    const junction = this.map.junctions[row];
    if (!junction) throw new RangeError(`no junction ${row}`);
    const glyph = new Glyph(junction, movements(this.map, junction));
    const spot = svg("g", {
      class: "spot",
      role: "button",
      tabindex: row === 0 ? 0 : -1,
      "aria-pressed": "false",
      "data-junction": junction.id,
    });
    const name = svg("text", { class: "name" });
    setText(name, this.names.get(junction.id) ?? junction.name);
    spot.append(svg("circle", { class: "halo" }), glyph.element, name);
    spot.addEventListener("click", () => this.choose(row));
    spot.addEventListener("keydown", (event) => this.key(event, row));
    return { spot, glyph, at };
  }

  private key(event: KeyboardEvent, row: number): void {
    const headings: Record<string, Point> = {
      ArrowUp: [0, 1],
      ArrowDown: [0, -1],
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
    };
    const heading = headings[event.key];
    if (heading) this.move(row, heading);
    else if (event.key === "Enter" || event.key === " ") this.choose(row);
    else return;
    event.preventDefault();
  }

  /** Focus to the nearest junction within 45 degrees of `heading`. */
  private move(row: number, [hx, hy]: Point): void {
    const here = this.junctions[row];
    if (!here) return;
    let best: { metres: number; spot: SVGGElement } | undefined;
    for (const { at, spot } of this.junctions) {
      const [dx, dy] = [at[0] - here.at[0], at[1] - here.at[1]];
      const metres = Math.hypot(dx, dy);
      const ahead = dx * hx + dy * hy > metres * Math.SQRT1_2 - 1e-6 && metres > 0;
      if (ahead && metres < (best?.metres ?? Infinity)) best = { metres, spot };
    }
    if (!best) return;
    here.spot.setAttribute("tabindex", "-1");
    best.spot.setAttribute("tabindex", "0");
    best.spot.focus();
  }

  private layout(): void {
    const { width, height } = this.drawing.getBoundingClientRect();
    if (width === 0 || height === 0) return;
    const { low, high } = this.box;
    const span: Point = [Math.max(high[0] - low[0], 1), Math.max(high[1] - low[1], 1)];
    const scale = Math.min((width - 2 * MARGIN_PX) / span[0], (height - 2 * MARGIN_PX) / span[1]);
    const left = (width - span[0] * scale) / 2;
    const top = (height - span[1] * scale) / 2;
    const place = ([x, y]: Point): Point => [left + (x - low[0]) * scale, top + (high[1] - y) * scale];
    this.drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    for (const { line, shape } of this.roads) {
      line.setAttribute("points", shape.map((point) => place(point).map(round).join(",")).join(" "));
    }
    const radius = this.radius(scale);
    const room = this.closest() * scale - 2 * radius;
    const longest = Math.max(0, ...[...this.names.values()].map((name) => name.length));
    setAttribute(this.drawing, "data-named", String(longest * NAME_PX + 12 < room));
    this.approaches.forEach(({ approach, line }) => this.placeQueue(line, approach, place, radius));
    for (const { spot, glyph, at } of this.junctions) {
      const [x, y] = place(at);
      spot.setAttribute("transform", `translate(${round(x)} ${round(y)})`);
      spot.querySelector(".halo")?.setAttribute("r", String(radius + 6));
      spot.querySelector(".name")?.setAttribute("x", String(round(radius * 0.8 + 3)));
      spot.querySelector(".name")?.setAttribute("y", String(round(radius * 0.8 + 12)));
      glyph.resize(radius);
    }
  }

  /** A queue begins at the rim of its junction's sign, however small the map is. */
  private placeQueue(line: SVGLineElement, approach: Approach, place: (p: Point) => Point, r: number) {
    const junction = this.junctions[approach.junction];
    if (!junction) return;
    const [cx, cy] = place(junction.at);
    const [fx, fy] = place(approach.from);
    const [tx, ty] = place(approach.to);
    const near = Math.hypot(tx - cx, ty - cy);
    const far = Math.hypot(fx - cx, fy - cy);
    const share = near < r + 3 && far > r + 3 ? (r + 3 - near) / (far - near) : 0;
    setAttribute(line, "x1", round(fx));
    setAttribute(line, "y1", round(fy));
    setAttribute(line, "x2", round(tx + (fx - tx) * share));
    setAttribute(line, "y2", round(ty + (fy - ty) * share));
  }

  /** Signs as large as the closest pair of junctions allows, between 9 and 20 px. */
  private radius(scale: number): number {
    return Math.min(20, Math.max(9, this.closest() * scale * 0.17));
  }

  private closest(): number {
    let closest = Infinity;
    this.junctions.forEach(({ at: a }, i) => {
      for (const { at: b } of this.junctions.slice(i + 1)) {
        closest = Math.min(closest, Math.hypot(a[0] - b[0], a[1] - b[1]));
      }
    });
    return closest;
  }

  private legend(): HTMLElement {
    const { words } = this.speech;
    const steps = [0, 1, 2, 3, 4].map((level) => {
      const line = svg("line", { class: "queue", "data-level": level, x1: 1, x2: 21, y1: 6, y2: 6 });
      const from = level === 0 ? "0" : `${LEVELS[level - 1] ?? ""}+`;
      return h("span", {}, svg("svg", { width: 22, height: 12, "aria-hidden": "true" }, line), from);
    });
    const charges = (["centre", "local", "operator"] as const).map((charge) => {
      const disc = svg("circle", { class: "disc", cx: 8, cy: 8, r: 6 });
      const sign = svg("svg", { width: 16, height: 16, "aria-hidden": "true", "data-charge": charge }, disc);
      return h("span", { class: "charge" }, sign, words[charge]);
    });
    const { anchor } = this.map;
    const note = anchor.approximate ? h("span", { class: "note", title: anchor.note }, words.approximate) : "";
    return h("p", { class: "legend" }, h("span", {}, words.queueScale), ...steps, h("span", { class: "key" }, words.inCharge), ...charges, note);
  }
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
