// What the page knows: the map, the newest state, the latest decisions and alarms, how fresh all that
// is, and, while a past moment is replayed, that moment in place of the newest.

import type { Alarm, Course, Decision, LiveState, MapData, Moment, Vehicles } from "./shapes";

const KEEP = 300;
const STALE_S = 6;
const TREND_STEP_MS = 20_000;
const TREND_ROOM = 2000;

export type Dispose = () => void;
export type Freshness = "waiting" | "live" | "paused" | "stale" | "disconnected" | "replay";

export class Store {
  /** Every alarm that is not closed, by id. */
  readonly alarms = new Map<string, Alarm>();
  connected = false;
  missed = false;
  /** The id of the junction whose panel is open. */
  chosen: string | null = null;
  /** The newest positions; null while nobody asks for them. */
  vehicles: Vehicles | null = null;
  /** The past moment on the screen; null when the screen is live. */
  replay: Moment | null = null;
  private newestState: LiveState | null = null;
  private known: Decision[] = [];
  private newestNumber = 0;
  private heardAt = performance.now();
  private frame = 0;
  private readonly watchers = new Set<() => void>();
  private readonly vehicleWatchers = new Set<(vehicles: Vehicles | null) => void>();

  constructor(
    readonly map: MapData,
    readonly trend: Course,
  ) {}

  /** The state on the screen: the newest, or that of the moment that is replayed. */
  get state(): LiveState | null {
    return this.replay === null ? this.newestState : pictured(this.replay, this.newestState);
  }

  /** The newest state, whatever is on the screen. */
  get live(): LiveState | null {
    return this.newestState;
  }

  /** The decisions up to what is on the screen, latest first. */
  get decisions(): Decision[] {
    return this.replay?.decisions ?? this.known;
  }

  /** The highest number of any row of `decisions`. */
  get newest(): number {
    return this.replay === null ? this.newestNumber : (this.replay.decisions[0]?.number ?? 0);
  }

  /** Calls `changed` after each piece of news, at most once per animation frame. */
  watch(changed: () => void): Dispose {
    this.watchers.add(changed);
    return () => this.watchers.delete(changed);
  }

  /** Calls `changed` with each set of positions; positions are streamed only while somebody watches. */
  watchVehicles(changed: (vehicles: Vehicles | null) => void): Dispose {
    this.vehicleWatchers.add(changed);
    this.changed();
    return () => {
      this.vehicleWatchers.delete(changed);
      this.changed();
    };
  }

  get wantsVehicles(): boolean {
    return this.vehicleWatchers.size > 0 && this.replay === null;
  }

  /** Tell the watchers in the next frame. */
  changed(): void {
    if (this.frame !== 0) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      for (const watcher of [...this.watchers]) watcher();
    });
  }

  take(state: LiveState): void {
    // Only a clock that goes on is news: a hub that stands still is looked at without end.
    if (state.paused || state.city_time !== this.newestState?.city_time) this.heardAt = performance.now();
    this.newestState = state;
    this.keepTrend(state);
    this.changed();
  }

  takeVehicles(vehicles: Vehicles | null): void {
    if (vehicles !== null && this.replay !== null) return; // one was still under way
    this.vehicles = vehicles;
    for (const watcher of this.vehicleWatchers) watcher(vehicles);
  }

  takeAlarms(rows: Alarm[]): void {
    for (const row of rows) {
      if (row.state === "closed") this.alarms.delete(row.id);
      else this.alarms.set(row.id, row);
    }
    this.changed();
  }

  /** A later row of a decision tells what became of it; time and reason stay those it was made with. */
  add(rows: Decision[]): void {
    const byId = new Map(this.known.map((row) => [row.id, row]));
    for (const row of rows.toSorted((a, b) => a.number - b.number)) {
      const known = byId.get(row.id);
      if (!known) byId.set(row.id, row);
      else if (known.number < row.number) {
        byId.set(row.id, { ...row, reason: known.reason, city_time: known.city_time });
      }
      this.newestNumber = Math.max(this.newestNumber, row.number);
    }
    this.known = [...byId.values()].sort(latestFirst).slice(0, KEEP);
    this.changed();
  }

  /** Put a past moment on the screen, or with null the present. */
  show(moment: Moment | null): void {
    this.replay = moment;
    if (moment !== null) this.takeVehicles(null);
    this.changed();
  }

  /** Of each junction, the latest decision that waits for a person now. */
  waiting(): Decision[] {
    const seen = new Set<string>();
    return this.known
      .filter((row) => row.waiting_for_confirmation && !seen.has(row.junction) && seen.add(row.junction))
      .sort((a, b) => a.junction.localeCompare(b.junction));
  }

  ageS(): number {
    return (performance.now() - this.heardAt) / 1000;
  }

  freshness(): Freshness {
    if (this.replay !== null) return "replay";
    if (!this.connected) return "disconnected";
    if (this.newestState?.city_time == null) return "waiting";
    if (this.newestState.paused) return "paused";
    const { speed } = this.newestState;
    const patience = speed > 0 ? Math.max(STALE_S, 3 / speed) : STALE_S;
    return this.ageS() > patience ? "stale" : "live";
  }

  private keepTrend(state: LiveState): void {
    if (state.city_time === null || state.measures.att_loop_s === null) return;
    const { trend } = this;
    if (trend.run !== state.run) {
      Object.assign(trend, { run: state.run, city_time: [], att_loop_s: [], att_baseline_s: [] });
    }
    const last = trend.city_time.at(-1);
    if (last !== undefined && Date.parse(state.city_time) - Date.parse(last) < TREND_STEP_MS) return;
    trend.city_time.push(state.city_time);
    trend.att_loop_s.push(state.measures.att_loop_s);
    trend.att_baseline_s.push(state.measures.att_baseline_s);
    if (trend.city_time.length > TREND_ROOM) halve(trend);
  }
}

/** Every second row goes, so that a page that stays open for days stays as large as it is. */
function halve(trend: Course): void {
  const every = (_: unknown, row: number) => row % 2 === 0;
  trend.city_time = trend.city_time.filter(every);
  trend.att_loop_s = trend.att_loop_s.filter(every);
  trend.att_baseline_s = trend.att_baseline_s.filter(every);
}

/** The moment as a state; what no history tells (speed, counters) is that of the present. */
function pictured(moment: Moment, live: LiveState | null): LiveState | null {
  if (live === null) return null;
  const { run, city_time, junctions, vehicles_on, queued, modes } = moment;
  const measures = moment.measures ?? live.measures;
  return { ...live, run, city_time, junctions, vehicles_on, queued, modes, measures };
}

function latestFirst(a: Decision, b: Decision): number {
  return b.city_time.localeCompare(a.city_time) || b.number - a.number;
}
