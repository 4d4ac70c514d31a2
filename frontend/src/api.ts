// The city's HTTP API: its types (those of cityloop.city.surface) and the calls this page makes.

export type Mode = "observe" | "shadow" | "advise" | "act";
export type Operation = "hold" | "lock_out" | "flash" | "release";
export type DriveAction = "speed" | "pause" | "resume" | "step";
export type Point = [x: number, y: number];

export const MODES: readonly Mode[] = ["observe", "shadow", "advise", "act"];

export interface MapJunction {
  id: string;
  name: string;
  x: number;
  y: number;
  phases: string[];
  links: { lane: string; direction: string }[];
}

export interface MapDetector {
  id: string;
  junction: string;
  lane: string;
  shape: Point[];
}

export interface MapLoop {
  name: string;
  groups: { name: string; junctions: string[] }[];
}

export interface MapDevice {
  id: string;
  type: string;
  owner: string;
  x: number;
  y: number;
}

export interface MapData {
  city: string;
  time_zone: string;
  anchor: { lat: number; lon: number; approximate: boolean; note: string };
  junctions: MapJunction[];
  roads: { id: string; shape: Point[]; lanes: number }[];
  detectors: MapDetector[];
  /** Registered devices that say where they stand. */
  devices?: MapDevice[];
  loops: MapLoop[];
}

export type JunctionState = [phase: number, stage: number, stageAgeS: number, inCharge: number];

export interface Measures {
  att_loop_s: number | null;
  att_baseline_s: number | null;
  difference_s: number | null;
  interval_low_s: number | null;
  interval_high_s: number | null;
  vehicles: number;
  waiting: number;
  finished: number;
  baseline_vehicles: number;
  baseline_finished: number;
  /** Travel time beyond that of free flow; absent where nobody measured it. */
  delay_loop_s?: number | null;
  delay_baseline_s?: number | null;
}

export interface Counters {
  observations_total: number;
  rejected_total: number;
  decisions_total: number;
  refused_total: number;
  fallbacks_total: number;
  observations_per_s: number;
  loop_latency_p50_ms: number | null;
  loop_latency_p99_ms: number | null;
}

export interface LiveState {
  seq: number;
  city_time: string | null;
  run: string;
  speed: number;
  paused: boolean;
  hub_alive: boolean;
  baseline_alive: boolean;
  junctions: JunctionState[];
  vehicles_on: number[];
  queued: number[];
  measures: Measures;
  counters: Counters;
  modes: Record<string, Record<string, Mode>>;
}

export interface Decision {
  number: number;
  id: string;
  city_time: string;
  loop: string;
  junction: string;
  action: string;
  phase: number | null;
  verdict: string;
  refused: boolean;
  mode: Mode;
  reason: string;
  waiting_for_confirmation: boolean;
  /** Why, for a page that writes the reason itself; absent where a loop gives only the sentence. */
  why?: { code: string; numbers: Record<string, number | string | null> } | null;
}

/** Every vehicle of the loop's twin at one instant, by columns. */
export interface Vehicles {
  run: string;
  city_time: string;
  ids: number[];
  x: number[];
  y: number[];
  /** Degrees, clockwise from north. */
  angle: number[];
  speed: number[];
}

export type Severity = "critical" | "high" | "medium" | "low";
export type AlarmState = "unacknowledged" | "acknowledged" | "returned" | "shelved" | "closed";

export interface Alarm {
  number: number;
  id: string;
  kind: string;
  severity: Severity;
  group: string;
  subject: string;
  junction: string | null;
  data: Record<string, number | string | null>;
  text: string;
  raised_at: string;
  cleared_at: string | null;
  state: AlarmState;
  acknowledged_by: string | null;
  shelved_until: string | null;
  shelve_reason: string | null;
  escalated_to: string | null;
  count: number;
  /** How often it came back before it was closed. */
  occurrences?: number;
}

/** What the screen showed at a past moment; rows as in LiveState. */
export interface Moment {
  run: string;
  city_time: string;
  junctions: JunctionState[];
  vehicles_on: number[];
  queued: number[];
  modes: Record<string, Record<string, Mode>>;
  decisions: Decision[];
  measures: Measures | null;
}

export interface Run {
  run: string;
  begins: string;
  ends: string;
}

/** What a junction showed and its detectors counted between two instants. */
export interface Timeline {
  run: string;
  begins: string;
  ends: string;
  stages: { at: string; phase: number; stage: number; in_charge: number }[];
  detectors: { id: string; step_s: number; queued: (number | null)[]; vehicles: (number | null)[] }[];
}

export interface Trend {
  run: string;
  city_time: string[];
  att_loop_s: (number | null)[];
  att_baseline_s: (number | null)[];
  delay_loop_s?: (number | null)[];
  delay_baseline_s?: (number | null)[];
  vehicles?: (number | null)[];
  baseline_vehicles?: (number | null)[];
  waiting?: (number | null)[];
}

/** What the server said went wrong (RFC 9457) and what to do about it; both are sentences. */
export class ApiError extends Error {
  constructor(
    detail: string,
    readonly advice: string,
  ) {
    super(detail);
  }
}

export const readMap = (): Promise<MapData> => read("/api/map");
export const readState = (): Promise<LiveState> => read("/api/state");
export const readTrend = (): Promise<Trend> => read("/api/trend");

export function readDecisions(limit: number, junction?: string): Promise<Decision[]> {
  const query = new URLSearchParams({ limit: String(limit) });
  if (junction !== undefined) query.set("junction", junction);
  return read(`/api/decisions?${query}`);
}

export const readRuns = (): Promise<Run[]> => read("/api/history/runs");

export function readMoment(run: string, at: string, signal?: AbortSignal): Promise<Moment> {
  return read(`/api/history/moment?${new URLSearchParams({ run, at })}`, signal);
}

/** The last `minutes` of a junction, up to now or up to a past moment. */
export function readTimeline(junction: string, minutes: number, past?: { run: string; at: string }) {
  const query = new URLSearchParams({ minutes: String(minutes), ...past });
  return read<Timeline>(`/api/junctions/${encodeURIComponent(junction)}/timeline?${query}`);
}

// `by` is the name of the person on duty; where it is empty the city records an operator.

export function setMode(loop: string, group: string, mode: Mode, shadowResult: string | null, by: string) {
  return post(`/api/loops/${loop}/mode`, { group, mode, shadow_result: shadowResult, ...named(by) });
}

export function advise(decision: string, confirm: boolean, by: string) {
  return post(`/api/advice/${encodeURIComponent(decision)}`, { confirm, ...named(by) });
}

export function operate(junction: string, action: Operation, phase: number | null, minutes: number, by = "") {
  const path = `/api/junctions/${encodeURIComponent(junction)}/operate`;
  return post(path, { action, phase, minutes, ...named(by) });
}

export function drive(action: DriveAction, speed: number | null = null) {
  return post("/api/drive", { action, speed });
}

function named(by: string): { by?: string } {
  return by === "" ? {} : { by };
}

export async function read<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await request(path, signal === undefined ? {} : { signal })).json() as Promise<T>;
}

export async function post(path: string, body: object): Promise<void> {
  const headers = { "Content-Type": "application/json" };
  await request(path, { method: "POST", headers, body: JSON.stringify(body) });
}

export async function request(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError("", ""); // no answer at all: the page has its own words for that
  }
  if (!response.ok) throw await problem(response);
  return response;
}

async function problem(response: Response): Promise<ApiError> {
  if (response.headers.get("Content-Type") !== "application/problem+json") {
    return new ApiError(`${response.status} ${response.statusText}`, "");
  }
  const { detail, advice } = (await response.json()) as { detail: string; advice: string };
  return new ApiError(detail, advice);
}
