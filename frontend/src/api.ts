// The calls that more than one page makes; those of one page stand in `calls/`.

import { get, post } from "./client";
import type { DriveAction, Mode, Operation } from "./shapes";

export const MODES: readonly Mode[] = ["observe", "shadow", "advise", "act"];
/** Who acts where the person on duty gave no name. */
const SOMEBODY = "operator";

export const readMap = () => get("/api/map");
export const readState = () => get("/api/state");
export const readTrend = () => get("/api/trend");
export const readRuns = () => get("/api/history/runs");

export function readDecisions(limit: number, junction?: string) {
  return get("/api/decisions", { query: { limit, junction } });
}

export function readMoment(run: string, at: string) {
  return get("/api/history/moment", { query: { run, at } });
}

/** The last `minutes` of a junction, up to now or up to a past moment. */
export function readTimeline(junction: string, minutes: number, past?: { run: string; at: string }) {
  return get("/api/junctions/{id}/timeline", { path: { id: junction }, query: { minutes, ...past } });
}

// `by` is the name of the person on duty; empty where nobody gave one.

export function setMode(loop: string, group: string, mode: Mode, shadowResult: string | null, by: string) {
  const body = { group, mode, shadow_result: shadowResult, by: by || SOMEBODY };
  return post("/api/loops/{name}/mode", { path: { name: loop }, body });
}

export function advise(decision: string, confirm: boolean, by: string) {
  return post("/api/advice/{id}", { path: { id: decision }, body: { confirm, by: by || SOMEBODY } });
}

export function operate(junction: string, action: Operation, phase: number | null, minutes: number, by = "") {
  const body = { action, phase, minutes, by: by || SOMEBODY };
  return post("/api/junctions/{id}/operate", { path: { id: junction }, body });
}

export function drive(action: DriveAction, speed: number | null = null) {
  return post("/api/drive", { body: { action, speed } });
}
