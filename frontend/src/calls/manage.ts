// Sources, plans, calendar and retention, as /api tells them.

import { read } from "../api";
import { send } from "./send";

export interface Source {
  name: string;
  kind: string;
  state: "ok" | "waiting" | "failing" | "off";
  reason: string;
  entities: number;
  rate_per_s: number;
  last_seen: string | null;
  accepted_total: number;
  rejected_total: number;
  rejected_by_reason: Record<string, number>;
  dropped_total: number;
  lag_s: number | null;
}

export interface Reject {
  number: number;
  at: string | null;
  source: string;
  run: string;
  entity: string;
  attribute: string;
  value: string;
  reason: string;
}

export const readSources = (): Promise<Source[]> => read("/api/sources");

export function readRejects(source: string, reason: string, limit: number): Promise<Reject[]> {
  const query = new URLSearchParams({ limit: String(limit) });
  if (source !== "") query.set("source", source);
  if (reason !== "") query.set("reason", reason);
  return read(`/api/rejects?${query}`);
}

/** Try again what was rejected of a source, of one reason or of any. */
export function replayRejects(source: string, reason: string, by: string): Promise<void> {
  return send("POST", "/api/rejects/replay", { source, reason: reason === "" ? null : reason, by });
}

export interface Green {
  phase: number;
  green_s: number;
}

export interface JunctionPlan {
  junction: string;
  offset_s: number | null;
  phases: Green[];
}

export interface TimePlan {
  id: string;
  name: string;
  junctions: JunctionPlan[];
}

export interface Plans {
  number: number;
  at: string | null;
  by: string;
  default: JunctionPlan[];
  plans: TimePlan[];
  in_force: string | null;
}

export const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday"] as const;
export type Day = (typeof DAYS)[number];

export interface CalendarEntry {
  plan: string;
  days: Day[];
  first: string | null;
  last: string | null;
  from: string;
  until: string;
}

export interface Calendar {
  number: number;
  at: string | null;
  by: string;
  time_zone: string;
  holidays: string[];
  entries: CalendarEntry[];
}

export const readPlans = (): Promise<Plans> => read("/api/plans");
export const readCalendar = (): Promise<Calendar> => read("/api/calendar");

export function writePlans(plans: TimePlan[], by: string): Promise<void> {
  return send("PUT", "/api/plans", { plans, by });
}

export function writeCalendar(entries: CalendarEntry[], holidays: string[], by: string): Promise<void> {
  return send("PUT", "/api/calendar", { holidays, entries, by });
}

/** How long a type is kept. `raw` and `kept` are ISO 8601 durations of whole days. */
export interface Keep {
  raw: string;
  every_s: number | null;
  kept: string | null;
}

export interface Retention extends Keep {
  type: string;
  declared: Keep;
  changed_by: string | null;
}

export const readRetention = (): Promise<Retention[]> => read("/api/retention");

export function writeRetention(rows: (Keep & { type: string })[], by: string): Promise<void> {
  return send("PUT", "/api/retention", { rows, by });
}
