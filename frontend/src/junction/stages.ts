// What one junction showed in the last minutes: read from the record, then gone on with live.

import { readTimeline } from "../api";
import { ApiError } from "../client";
import type { JunctionState, LiveState, Timeline } from "../shapes";

export const MINUTES = 5;
const REREAD_MS = 10_000; // what was missed between two pictures of a fast city is read then

export interface Stage {
  /** Seconds since 1970 of city time. */
  at: number;
  phase: number;
  stage: number;
  inCharge: number;
}

export class StageLog {
  stages: Stage[] = [];
  detectors: Timeline["detectors"] = [];
  /** The newest second that is known, and the run it belongs to. */
  end = 0;
  failed = false;
  private run = "";
  private readAt = -Infinity;
  private reading = false;

  constructor(
    private readonly junction: string,
    private readonly row: number,
  ) {}

  get begin(): number {
    return this.end - MINUTES * 60;
  }

  /** Go on with what the screen shows now; `past` when that is a moment of the past. */
  follow(state: LiveState, past: boolean, changed: () => void): void {
    const now = seconds(state.city_time);
    const one = state.junctions[this.row];
    if (now === null || !one) return;
    const leapt = state.run !== this.run || now < this.end || now - this.end > 60;
    if (past && (leapt || now !== this.end)) this.readAt = -Infinity;
    if (leapt) this.forget(state.run);
    this.end = now;
    this.append(one, now);
    if (performance.now() - this.readAt > REREAD_MS) void this.read(past ? state : null, changed);
  }

  private forget(run: string): void {
    this.run = run;
    this.stages = [];
    this.readAt = -Infinity;
  }

  private append([phase, stage, ageS, inCharge]: JunctionState, now: number): void {
    const last = this.stages.at(-1);
    if (last?.phase === phase && last.stage === stage && last.inCharge === inCharge) return;
    const handedOver = last?.phase === phase && last.stage === stage;
    this.stages.push({ at: Math.max(handedOver ? now : now - ageS, last?.at ?? 0), phase, stage, inCharge });
    this.stages = this.stages.filter((_, i) => (this.stages[i + 1]?.at ?? Infinity) > this.begin);
  }

  private async read(past: LiveState | null, changed: () => void): Promise<void> {
    if (this.reading) return;
    this.reading = true;
    this.readAt = performance.now();
    const at = past?.city_time == null ? undefined : { run: past.run, at: past.city_time };
    try {
      this.take(await readTimeline(this.junction, MINUTES, at));
      this.failed = false;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.failed = true; // the bar goes on with what it sees live, and the panel says so
    } finally {
      this.reading = false;
    }
    changed();
  }

  private take(told: Timeline): void {
    if (told.run !== this.run) return;
    const until = seconds(told.ends) ?? 0;
    const newer = this.stages.filter((stage) => stage.at > until);
    const older = told.stages.map(({ at, phase, stage, in_charge }) => {
      return { at: seconds(at) ?? 0, phase, stage, inCharge: in_charge };
    });
    this.stages = [...older, ...newer];
    this.detectors = told.detectors;
  }
}

function seconds(iso: string | null): number | null {
  return iso === null ? null : Date.parse(iso) / 1000;
}
