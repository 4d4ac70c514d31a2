// A small map beside a list of entities: where they are, and the area that one draws to look into.
// What it shows stands in the list and in the field of the area, too: nobody needs it.

import type { Context } from "../context";
import { h, svg } from "../dom";
import { approaches, bounds } from "../map/geometry";
import { MARGIN_PX, PlainGround } from "../map/ground";
import { Plane } from "../map/plane";
import { type Box, fitted, place, unplace, type View } from "../map/view";
import { entityAddress } from "../shell/routes";
import type { Point } from "../shapes";
import { type Area, ring, spanned } from "./area";
import { type Entity, positions } from "./entity";

const LEAST_PX = 6; // a shorter drag was a click
const DOT_PX = 5;
const ROOM_M = 200; // about what lies outside of the network

export class AreaMap {
  readonly element: HTMLElement;
  private readonly plane: Plane;
  private readonly home: Box;
  private ground: PlainGround;
  private box: Box;
  private readonly outline = svg("polygon", { class: "area" });
  private readonly dots = svg("g");
  private readonly over = svg("svg", { class: "drawing", "aria-hidden": "true" });
  private readonly stage: HTMLElement;
  private readonly sizes: ResizeObserver;
  private area: Area | null = null;
  private entities: Entity[] = [];
  private context = "";

  constructor(
    { store, speech }: Context,
    private readonly drawn?: (area: Area) => void,
  ) {
    const { map } = store;
    this.plane = new Plane(map.anchor.lat, map.anchor.lon);
    this.home = this.box = bounds(map);
    this.ground = new PlainGround(map, approaches(map), this.box);
    this.over.append(this.outline, this.dots);
    this.stage = h("div", { class: "stage", role: "img", "aria-label": speech.words.entities.map }, this.ground.element, this.over);
    this.element = h("div", { class: "map area-map" }, this.stage);
    this.stage.addEventListener("pointerdown", (event) => this.begin(event));
    this.redraw = () => {
      this.ground.dispose();
      this.ground = new PlainGround(map, approaches(map), this.box);
      this.stage.prepend(this.ground.element);
      this.layout();
    };
    this.sizes = new ResizeObserver(() => this.layout());
    this.sizes.observe(this.stage);
  }

  private readonly redraw: () => void;

  /** The next drag draws an area. */
  arm(on: boolean): void {
    this.stage.dataset.armed = String(on);
  }

  show(entities: Entity[], area: Area | null, context: string): void {
    this.entities = entities;
    this.area = area;
    this.context = context;
    const box = this.around();
    const changed = JSON.stringify(box) !== JSON.stringify(this.box);
    this.box = box;
    if (changed) this.redraw();
    else this.mark();
  }

  dispose(): void {
    this.sizes.disconnect();
  }

  /** The network, and what lies beside it. */
  private around(): Box {
    const marks = this.entities.map((one) => this.middle(one)).filter((at) => at !== null);
    const corners = this.area === null ? [] : ring(this.area);
    const { low, high } = this.home;
    const all = [...marks, ...corners].map((at) => this.plane.toPlane(at));
    const outside = all.filter(([x, y]) => x < low[0] || x > high[0] || y < low[1] || y > high[1]);
    if (outside.length === 0) return this.home;
    const [xs, ys] = [outside.map(([x]) => x), outside.map(([, y]) => y)];
    return {
      low: [Math.min(low[0], ...xs.map((x) => x - ROOM_M)), Math.min(low[1], ...ys.map((y) => y - ROOM_M))],
      high: [Math.max(high[0], ...xs.map((x) => x + ROOM_M)), Math.max(high[1], ...ys.map((y) => y + ROOM_M))],
    };
  }

  private middle(entity: Entity): [number, number] | null {
    const all = positions(entity);
    if (all.length === 0) return null;
    const mean = (axis: 0 | 1) => all.reduce((sum, position) => sum + position[axis], 0) / all.length;
    return [mean(0), mean(1)];
  }

  private layout(): void {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (width === 0 || height === 0) return;
    this.ground.resize(width, height);
    this.over.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.mark();
  }

  private get view(): View {
    const { clientWidth, clientHeight } = this.stage;
    return fitted(this.box, clientWidth, clientHeight, MARGIN_PX);
  }

  private mark(): void {
    const { view } = this;
    const at = (position: readonly [number, number]) => place(view, this.plane.toPlane(position));
    const { area } = this;
    this.outline.setAttribute("points", area === null ? "" : ring(area).map((corner) => at(corner).map((px) => px.toFixed(1)).join(",")).join(" "));
    this.dots.replaceChildren(...this.entities.flatMap((entity) => this.dot(entity, at)));
  }

  private dot(entity: Entity, at: (position: readonly [number, number]) => Point): SVGElement[] {
    const middle = this.middle(entity);
    if (middle === null) return [];
    const [cx, cy] = at(middle);
    const open = () => (location.hash = entityAddress(entity.id, this.context));
    return [svg("circle", { class: "entity-mark", cx: cx.toFixed(1), cy: cy.toFixed(1), r: DOT_PX, click: open }, svg("title", {}, entity.id))];
  }

  /** A drag from corner to corner. */
  private begin(event: PointerEvent): void {
    if (this.stage.dataset.armed !== "true" || !this.drawn) return;
    event.preventDefault();
    const from = this.point(event);
    this.stage.setPointerCapture(event.pointerId);
    const moved = (next: PointerEvent) => {
      this.area = this.between(from, this.point(next));
      this.mark();
    };
    const done = (last: PointerEvent) => {
      this.stage.removeEventListener("pointermove", moved);
      this.stage.removeEventListener("pointerup", done);
      const to = this.point(last);
      if (Math.hypot(to[0] - from[0], to[1] - from[1]) >= LEAST_PX) this.drawn?.(this.between(from, to));
    };
    this.stage.addEventListener("pointermove", moved);
    this.stage.addEventListener("pointerup", done);
  }

  private point(event: PointerEvent): Point {
    const { left, top } = this.stage.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  private between(a: Point, b: Point): Area {
    const degrees = (spot: Point) => this.plane.toLngLat(unplace(this.view, spot));
    return spanned(degrees(a), degrees(b));
  }
}
