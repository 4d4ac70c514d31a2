// The map: ground, vehicles, signs, legend and what is told beside the pointer, put together.

import type { Alarm, LiveState, MapData, Point, Sensor, Vehicles } from "../shapes";
import { button, h } from "../dom";
import type { Speech } from "../words";
import { DeviceMarks } from "./devices";
import { type Approach, approaches, awayFrom, bounds, distance, load } from "./geometry";
import type { GlGround } from "./glground";
import { type Ground, type Levels, PlainGround } from "./ground";
import { Legend, QUEUE_STEPS, type Subject } from "./legend";
import { readPalette } from "./palette";
import { Signs } from "./signs";
import { RoadSpeeds } from "./speeds";
import { Tip } from "./tip";
import { VehicleLayer } from "./vehicles";
import { place, unplace } from "./view";

const TOUCH_PX = 10; // the pointer is on a queue when it is so near
const NARROW = "(max-width: 999px)"; // there the page scrolls, and one finger is for that

export class CityMap {
  readonly element: HTMLElement;
  private readonly stage: HTMLElement;
  private readonly approaches: Approach[];
  private readonly speeds: RoadSpeeds;
  private readonly signs: Signs;
  private readonly devices: DeviceMarks;
  private readonly tip: Tip;
  private readonly vehicles: VehicleLayer;
  private readonly tools: HTMLElement;
  private readonly note: HTMLElement;
  private readonly levels: Levels;
  private readonly sizes: ResizeObserver;
  private readonly narrow = matchMedia(NARROW);
  private ground: Ground;
  private subject: Subject = "queue";
  private state: LiveState | null = null;
  private regarded = -1;
  private disposed = false;

  constructor(
    private readonly map: MapData,
    private readonly speech: Speech,
    names: Map<string, string>,
    choose: (junction: number) => void,
    private readonly seen: (visible: boolean) => void,
  ) {
    const { words } = speech;
    this.approaches = approaches(map);
    this.speeds = new RoadSpeeds(map);
    this.levels = { queue: new Uint8Array(this.approaches.length), speed: new Uint8Array(map.roads.length) };
    this.ground = new PlainGround(map, this.approaches, bounds(map));
    this.vehicles = new VehicleLayer(() => this.ground.view);
    this.tip = new Tip(map, this.approaches, speech);
    this.signs = new Signs(map, this.approaches, speech, names, {
      choose,
      regard: (row) => this.regard(row),
      reveal: (at) => this.ground.camera?.reveal(at),
    });
    this.devices = new DeviceMarks(map, speech);
    this.tools = this.newTools();
    this.note = h("p", { class: "ground-note", role: "status", hidden: true }, words.mapNoWebGl);
    const legend = new Legend(map, speech, (subject) => this.colourBy(subject));
    this.stage = h("div", { class: "stage" }, this.ground.element, this.vehicles.element, this.signs.element);
    this.signs.element.before(this.devices.element);
    this.stage.append(this.tools, this.note, this.tip.element);
    this.element = h("section", { class: "map", "aria-label": words.map }, this.stage, legend.element);
    this.stage.addEventListener("pointermove", (event) => this.point(event));
    this.stage.addEventListener("pointerleave", () => this.regard(-1));
    this.sizes = new ResizeObserver(() => this.layout());
    this.sizes.observe(this.stage);
    this.narrow.addEventListener("change", this.yieldGestures);
    void this.engage();
  }

  show(state: LiveState, alarms: Iterable<Alarm>): void {
    this.state = state;
    this.signs.show(state, alarms);
    this.colour();
    if (this.regarded >= 0) this.tip.junction(this.regarded, state);
  }

  move(vehicles: Vehicles | null): void {
    this.vehicles.take(vehicles);
    if (vehicles) this.speeds.take(vehicles);
    if (this.subject === "speed") this.colour();
  }

  /** The corners of what is seen, in metres. */
  get window(): [Point, Point] {
    const { view } = this.ground;
    return [unplace(view, [0, view.height]), unplace(view, [view.width, 0])];
  }

  /** A further tool, below those of the camera. */
  addTool(tool: HTMLElement): void {
    this.tools.append(tool);
  }

  tell(sensors: Sensor[]): void {
    this.devices.tell(sensors);
  }

  mark(junction: number): void {
    this.signs.mark(junction);
  }

  /** Read the colours again: the theme has changed. */
  dress(): void {
    const palette = readPalette(this.element);
    this.ground.dress(palette);
    this.vehicles.colour = palette.vehicle;
    this.vehicles.ask();
  }

  dispose(): void {
    this.disposed = true;
    this.sizes.disconnect();
    this.narrow.removeEventListener("change", this.yieldGestures);
    this.vehicles.dispose();
    this.ground.dispose();
    this.element.remove();
  }

  /** Put the ground with a camera in place of the plain one, once it has drawn itself beneath it. */
  private async engage(): Promise<void> {
    if (!document.createElement("canvas").getContext("webgl2")) {
      this.note.hidden = false;
      return;
    }
    const { GlGround } = await import("./glground");
    // The page may have been drawn anew meanwhile, in another language: then this map is no more.
    if (this.gone()) return;
    const gl = this.openGl(GlGround);
    this.stage.prepend(gl.element);
    await gl.ready();
    if (this.gone()) {
      gl.dispose();
      return;
    }
    const plain = this.ground;
    this.ground = gl;
    plain.dispose();
    this.tools.hidden = false;
    this.stage.dataset.ground = "gl";
    this.yieldGestures();
    this.layout();
    this.colour();
  }

  /** A question, for the answer changes while one waits. */
  private gone(): boolean {
    return this.disposed;
  }

  private openGl(Ground: typeof GlGround): GlGround {
    const { clientWidth, clientHeight } = this.stage;
    this.ground.resize(clientWidth, clientHeight);
    const palette = readPalette(this.element);
    const moved = () => this.moved();
    return new Ground(this.map, this.approaches, bounds(this.map), this.ground.view, palette, moved);
  }

  private newTools(): HTMLElement {
    const { words } = this.speech;
    const tool = (sign: string, name: string, press: () => void) =>
      button(sign, press, { "aria-label": name, title: name });
    return h(
      "div",
      { class: "tools", role: "group", "aria-label": words.mapTools, hidden: true },
      tool("+", words.mapNearer, () => this.zoom(1)),
      tool("\u2212", words.mapFarther, () => this.zoom(-1)),
      tool("\u2922", words.mapWhole, () => this.ground.camera?.home()),
    );
  }

  /** Nearer to the junction that is chosen or in the middle: into a block of houses nobody looks. */
  private zoom(steps: 1 | -1): void {
    const { view, camera } = this.ground;
    const middle = unplace(view, [view.width / 2, view.height / 2]);
    camera?.zoom(steps, this.signs.near(middle));
  }

  private readonly yieldGestures = (): void => {
    if ("yieldGestures" in this.ground) (this.ground as GlGround).yieldGestures(this.narrow.matches);
  };

  private layout(): void {
    const { clientWidth: width, clientHeight: height } = this.stage;
    this.seen(width > 0 && height > 0);
    if (width === 0 || height === 0) return;
    this.ground.resize(width, height);
    this.vehicles.resize(width, height);
    this.moved();
  }

  private moved(): void {
    this.devices.place(this.ground.view);
    this.signs.place(this.ground.view);
    this.vehicles.ask();
    if (this.regarded >= 0) this.regard(this.regarded);
  }

  private colourBy(subject: Subject): void {
    this.subject = subject;
    this.element.dataset.subject = subject;
    this.colour();
  }

  private colour(): void {
    const { queue, speed } = this.levels;
    if (this.subject === "speed") {
      this.speeds.levels(speed);
      queue.fill(0);
    } else {
      speed.fill(0);
      this.approaches.forEach((approach, row) => (queue[row] = this.queueLevel(approach)));
    }
    this.ground.show(this.levels);
  }

  private queueLevel(approach: Approach): number {
    if (!this.state) return 0;
    const perLane = load(approach, this.state).queued / approach.lanes;
    return QUEUE_STEPS.filter((from) => perLane >= from).length;
  }

  private regard(row: number): void {
    this.regarded = row;
    const junction = this.map.junctions[row];
    if (!junction || !this.state) {
      this.tip.hide();
      return;
    }
    this.tip.junction(row, this.state);
    this.tip.put(place(this.ground.view, [junction.x, junction.y]), this.stage.clientWidth, this.stage.clientHeight);
  }

  /** Over the ground, not over a sign: tell of the queue that lies under the pointer. */
  private point(event: PointerEvent): void {
    if (!this.state || (event.target as Element).closest(".spot, .tools, .device")) return;
    const { left, top, width, height } = this.stage.getBoundingClientRect();
    const spot: Point = [event.clientX - left, event.clientY - top];
    const at = unplace(this.ground.view, spot);
    const reach = TOUCH_PX / this.ground.view.scale;
    const nearest = this.nearest(at, reach);
    if (!nearest) {
      this.tip.hide();
      return;
    }
    this.tip.approach(nearest, this.state, this.speeds.near(at));
    this.tip.put(spot, width, height);
  }

  private nearest(at: Point, reach: number): Approach | undefined {
    let best: { away: number; approach: Approach } | undefined;
    for (const approach of this.approaches) {
      const first = approach.shape[0];
      const last = approach.shape.at(-1);
      if (!first || !last || distance(first, at) > distance(first, last) + reach + 50) continue;
      const away = awayFrom(approach.shape, at);
      if (away < Math.min(reach, best?.away ?? Infinity)) best = { away, approach };
    }
    return best?.approach;
  }
}
