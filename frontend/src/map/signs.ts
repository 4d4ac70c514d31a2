// The junctions on the map: one button each, with the sign of what it shows, its name and its alarm.
// They are elements, not pixels, so that keyboard, screen reader and pointer reach them alike.

import type { Alarm, LiveState, MapData, Point, Severity } from "../shapes";
import { h, setAttribute, setText, svg } from "../dom";
import type { Speech } from "../words";
import { type Approach, bounds, load, movements } from "./geometry";
import { Glyph } from "./glyph";
import { enlarged, place, type View } from "./view";

const NAME_PX = 7; // width of a letter of a junction's name
const SEVERITIES: readonly Severity[] = ["low", "medium", "high", "critical"];
const HEADINGS: Record<string, Point> = {
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
};

interface Sign {
  spot: HTMLButtonElement;
  drawing: SVGSVGElement;
  beacon: SVGSVGElement;
  glyph: Glyph;
  at: Point;
}

export interface SignEvents {
  choose: (row: number) => void;
  /** A junction is pointed at or focused, or with -1 none is any more. */
  regard: (row: number) => void;
  /** Focus moved here by keyboard; the map may have to move. */
  reveal: (at: Point) => void;
}

export class Signs {
  readonly element: HTMLElement;
  private readonly signs: Sign[];
  private readonly closest: number;
  private readonly longest: number;
  private radius = 0;
  private chosen = -1;

  constructor(
    private readonly map: MapData,
    private readonly approaches: Approach[],
    private readonly speech: Speech,
    names: Map<string, string>,
    private readonly on: SignEvents,
  ) {
    this.signs = map.junctions.map((_, row) => this.sign(row, names));
    this.closest = closest(this.signs.map((sign) => sign.at)) || span(map);
    this.longest = Math.max(0, ...[...names.values()].map((name) => name.length));
    this.element = h("div", { class: "signs", role: "group", "aria-label": speech.words.map });
    this.element.append(...this.signs.map((sign) => sign.spot));
  }

  show(state: LiveState, alarms: Iterable<Alarm>): void {
    const worst = worstOf(alarms);
    this.signs.forEach(({ glyph, spot, beacon }, row) => {
      const one = state.junctions[row];
      const id = this.map.junctions[row]?.id ?? "";
      if (!one) return;
      glyph.show(one);
      const alarm = worst.get(id);
      setAttribute(beacon, "data-severity", alarm?.severity ?? "none");
      setAttribute(beacon, "data-new", String(alarm?.state === "unacknowledged"));
      setAttribute(spot, "aria-label", this.describe(row, state, alarm));
    });
  }

  mark(row: number): void {
    if (row === this.chosen) return;
    const left = this.chosen;
    this.chosen = row;
    this.signs.forEach(({ spot }, other) => setAttribute(spot, "aria-pressed", String(other === row)));
    // The panel that had focus is gone with it: go on from where one came.
    if (row < 0 && document.activeElement === document.body) this.signs[left]?.spot.focus({ preventScroll: true });
  }

  place(view: View): void {
    const larger = enlarged(view.width);
    const radius = Math.min(26 * larger, Math.max(9, this.closest * view.scale * 0.17));
    if (radius !== this.radius) this.resize(radius);
    this.element.style.setProperty("--larger", String(larger));
    const named = (this.longest * NAME_PX + 12) * larger < this.closest * view.scale - 2 * radius;
    setAttribute(this.element, "data-named", String(named));
    for (const { spot, at } of this.signs) {
      const [x, y] = place(view, at);
      spot.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px) translate(-50%, -50%)`;
    }
  }

  /** Where the chosen junction lies, or the one nearest to a place. */
  near(place: Point): Point {
    const metres = ({ at }: Sign) => Math.hypot(at[0] - place[0], at[1] - place[1]);
    const [nearest] = this.signs.toSorted((a, b) => metres(a) - metres(b));
    return this.signs[this.chosen]?.at ?? nearest?.at ?? place;
  }

  /** What is told of a junction, in one sentence. */
  describe(row: number, state: LiveState, alarm?: Alarm): string {
    const { words } = this.speech;
    const junction = this.map.junctions[row];
    const one = state.junctions[row];
    if (!junction || !one) return "";
    const here = this.approaches.filter((one) => one.junction === row);
    const queued = here.reduce((sum, one) => sum + load(one, state).queued, 0);
    const told = alarm ? `; ${words.mapAlarm} ${alarm.text}` : "";
    return `${junction.name}: ${this.speech.shown(one)}; ${words.queued} ${queued}${told}`;
  }

  private resize(radius: number): void {
    this.radius = radius;
    const half = radius + 2;
    for (const { drawing, glyph } of this.signs) {
      glyph.resize(radius);
      setAttribute(drawing, "viewBox", `${-half} ${-half} ${2 * half} ${2 * half}`);
      setAttribute(drawing, "width", 2 * half);
      setAttribute(drawing, "height", 2 * half);
    }
  }

  private sign(row: number, names: Map<string, string>): Sign {
    const junction = this.map.junctions[row];
    if (!junction) throw new RangeError(`no junction ${row}`);
    const glyph = new Glyph(junction, movements(this.map, junction));
    const drawing = svg("svg", { class: "disk", "aria-hidden": "true" }, glyph.element);
    const beacon = beaconOf();
    const name = h("span", { class: "name" });
    setText(name, names.get(junction.id) ?? junction.name);
    const spot = h("button", {
      type: "button",
      class: "spot",
      tabindex: row === 0 ? 0 : -1,
      "aria-pressed": "false",
      "data-junction": junction.id,
    });
    spot.append(drawing, beacon, name);
    spot.addEventListener("click", () => this.on.choose(row));
    spot.addEventListener("keydown", (event) => this.key(event, row));
    for (const begin of ["pointerenter", "focus"]) spot.addEventListener(begin, () => this.on.regard(row));
    for (const end of ["pointerleave", "blur"]) spot.addEventListener(end, () => this.on.regard(-1));
    return { spot, drawing, beacon, glyph, at: [junction.x, junction.y] };
  }

  private key(event: KeyboardEvent, row: number): void {
    const heading = HEADINGS[event.key];
    if (!heading) return;
    this.move(row, heading);
    event.preventDefault();
  }

  /** Focus to the nearest junction within 45 degrees of `heading`. */
  private move(row: number, [hx, hy]: Point): void {
    const here = this.signs[row];
    if (!here) return;
    let best: { metres: number; sign: Sign } | undefined;
    for (const sign of this.signs) {
      const [dx, dy] = [sign.at[0] - here.at[0], sign.at[1] - here.at[1]];
      const metres = Math.hypot(dx, dy);
      const ahead = dx * hx + dy * hy > metres * Math.SQRT1_2 - 1e-6 && metres > 0;
      if (ahead && metres < (best?.metres ?? Infinity)) best = { metres, sign };
    }
    if (!best) return;
    here.spot.setAttribute("tabindex", "-1");
    best.sign.spot.setAttribute("tabindex", "0");
    this.on.reveal(best.sign.at);
    best.sign.spot.focus({ preventScroll: true });
  }
}

/** A mark for an alarm: its shape tells the severity as well as its colour does. */
export function beaconOf(): SVGSVGElement {
  const shapes = {
    critical: "M8 1 15 14H1Z",
    high: "M8 1 15 8 8 15 1 8Z",
    medium: "M2 2H14V14H2Z",
    low: "M8 2a6 6 0 1 1 0 12a6 6 0 1 1 0-12Z",
  };
  const paths = Object.entries(shapes).map(([severity, d]) => svg("path", { d, "data-shape": severity }));
  return svg("svg", { class: "beacon", viewBox: "0 0 16 16", "aria-hidden": "true", "data-severity": "none" }, ...paths);
}

/** Of each junction, the alarm that most wants a person; shelved ones want none. */
function worstOf(alarms: Iterable<Alarm>): Map<string, Alarm> {
  const worst = new Map<string, Alarm>();
  const rank = (alarm: Alarm) =>
    SEVERITIES.indexOf(alarm.severity) + (alarm.state === "unacknowledged" ? SEVERITIES.length : 0);
  for (const alarm of alarms) {
    if (alarm.junction === null || alarm.state === "shelved" || alarm.state === "closed") continue;
    const known = worst.get(alarm.junction);
    if (!known || rank(alarm) > rank(known)) worst.set(alarm.junction, alarm);
  }
  return worst;
}

/** Metres between the closest two of `places`; 0 when there are fewer. */
function closest(places: Point[]): number {
  let best = Infinity;
  places.forEach(([ax, ay], i) => {
    for (const [bx, by] of places.slice(i + 1)) best = Math.min(best, Math.hypot(ax - bx, ay - by));
  });
  return best === Infinity ? 0 : best;
}

function span(map: MapData): number {
  const { low, high } = bounds(map);
  return Math.hypot(high[0] - low[0], high[1] - low[1]) / 4;
}
