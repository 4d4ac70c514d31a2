// Sources, plans, calendar and retention. `by`: who is on duty; the city keeps it with the act.

import { get, post, put } from "../client";
import type { CalendarEntry, Day, Keep, TimePlan } from "../shapes";

export const DAYS: readonly Day[] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday"];

export const readSources = () => get("/api/sources");
export const readPlans = () => get("/api/plans");
export const readCalendar = () => get("/api/calendar");
export const readRetention = () => get("/api/retention");

export function readRejects(source: string, reason: string, limit: number) {
  const query = { limit, source: source || undefined, reason: reason || undefined };
  return get("/api/rejects", { query });
}

/** Try again what was rejected of a source, of one reason or of any. */
export function replayRejects(source: string, reason: string, by: string) {
  return post("/api/rejects/replay", { body: { source, reason: reason || null, by } });
}

export function writePlans(plans: TimePlan[], by: string) {
  return put("/api/plans", { body: { plans, by } });
}

export function writeCalendar(entries: CalendarEntry[], holidays: string[], by: string) {
  return put("/api/calendar", { body: { holidays, entries, by } });
}

export function writeRetention(rows: Keep[], by: string) {
  return put("/api/retention", { body: { rows, by } });
}
