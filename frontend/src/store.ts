// What the page knows: the map, the newest state, the latest decisions, and how fresh all that is.

import type { Decision, LiveState, MapData, Trend } from "./api";

const KEEP = 300;
const STALE_S = 6;

export type Freshness = "waiting" | "live" | "paused" | "stale" | "disconnected";

export class Store {
  state: LiveState | null = null;
  decisions: Decision[] = [];
  /** The highest number of any decision's row. */
  newest = 0;
  connected = false;
  missed = false;
  private heardAt = performance.now();

  constructor(
    readonly map: MapData,
    readonly trend: Trend,
  ) {}

  take(state: LiveState): void {
    this.state = state;
    this.heardAt = performance.now();
    if (state.city_time === null || state.measures.att_loop_s === null) return;
    const { trend } = this;
    if (trend.run !== state.run) {
      Object.assign(trend, { run: state.run, city_time: [], att_loop_s: [], att_baseline_s: [] });
    }
    const last = trend.city_time.at(-1);
    if (last !== undefined && Date.parse(state.city_time) - Date.parse(last) < 20_000) return;
    trend.city_time.push(state.city_time);
    trend.att_loop_s.push(state.measures.att_loop_s);
    trend.att_baseline_s.push(state.measures.att_baseline_s);
  }

  /** A later row of a decision tells what became of it; time and reason stay those it was made with. */
  add(rows: Decision[]): void {
    const byId = new Map(this.decisions.map((row) => [row.id, row]));
    for (const row of rows.toSorted((a, b) => a.number - b.number)) {
      const known = byId.get(row.id);
      if (!known) byId.set(row.id, row);
      else if (known.number < row.number) {
        byId.set(row.id, { ...row, reason: known.reason, city_time: known.city_time });
      }
      this.newest = Math.max(this.newest, row.number);
    }
    this.decisions = [...byId.values()].sort(latestFirst).slice(0, KEEP);
  }

  /** Of each junction, the latest decision that waits for a person. */
  waiting(): Decision[] {
    const seen = new Set<string>();
    return this.decisions
      .filter((row) => row.waiting_for_confirmation && !seen.has(row.junction) && seen.add(row.junction))
      .sort((a, b) => a.junction.localeCompare(b.junction));
  }

  ageS(): number {
    return (performance.now() - this.heardAt) / 1000;
  }

  freshness(): Freshness {
    if (!this.connected) return "disconnected";
    if (this.state?.city_time == null) return "waiting";
    if (this.state.paused) return "paused";
    return this.ageS() > STALE_S ? "stale" : "live";
  }
}

function latestFirst(a: Decision, b: Decision): number {
  return b.city_time.localeCompare(a.city_time) || b.number - a.number;
}
