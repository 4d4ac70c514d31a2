// Alarms, the shift log and the sensors. `by`: who is on duty; the city keeps it with the act.

import { get, post } from "../client";
import type { Alarm, NoteKind } from "../shapes";

/** `open`: all that are not closed; `all`: with the newest closed ones. */
export const readAlarms = (state: "open" | "all") => get("/api/alarms", { query: { state } });
export const readShiftLog = () => get("/api/shift-log");
export const readSensors = () => get("/api/sensors");

export function acknowledge({ id }: Alarm, by: string) {
  return post("/api/alarms/{id}/acknowledge", { path: { id }, body: { by, note: "" } });
}

export function shelve({ id }: Alarm, by: string, minutes: number, reason: string) {
  return post("/api/alarms/{id}/shelve", { path: { id }, body: { by, minutes, reason } });
}

export function unshelve({ id }: Alarm, by: string) {
  return post("/api/alarms/{id}/unshelve", { path: { id }, body: { by } });
}

export function escalate({ id }: Alarm, by: string, to: string, note: string) {
  return post("/api/alarms/{id}/escalate", { path: { id }, body: { by, to, note } });
}

export function writeShiftLog(by: string, kind: NoteKind, text: string) {
  return post("/api/shift-log", { body: { by, kind, text } });
}
