// Alarms, the shift log and the sensors, as /api tells them.

import { type Alarm, read } from "../api";
import { send } from "./send";

/** `open`: all that are not closed; `all`: with the newest closed ones. */
export const readAlarms = (which: "open" | "all"): Promise<Alarm[]> => read(`/api/alarms?state=${which}`);

export function acknowledge(alarm: Alarm, by: string): Promise<void> {
  return act(alarm, "acknowledge", { by });
}

export function shelve(alarm: Alarm, by: string, minutes: number, reason: string): Promise<void> {
  return act(alarm, "shelve", { by, minutes, reason });
}

export function unshelve(alarm: Alarm, by: string): Promise<void> {
  return act(alarm, "unshelve", { by });
}

export function escalate(alarm: Alarm, by: string, to: string, note: string): Promise<void> {
  return act(alarm, "escalate", { by, to, note });
}

function act(alarm: Alarm, verb: string, body: object): Promise<void> {
  return send("POST", `/api/alarms/${encodeURIComponent(alarm.id)}/${verb}`, body);
}

export interface ShiftEntry {
  number: number;
  at: string;
  by: string;
  kind: string;
  text: string;
  data: Record<string, unknown>;
}

export function readShiftLog(): Promise<ShiftEntry[]> {
  return read("/api/shift-log");
}

export function writeShiftLog(by: string, kind: string, text: string): Promise<void> {
  return send("POST", "/api/shift-log", { by, kind, text });
}

export type SensorState = "ok" | "silent" | "frozen" | "absurd" | "never";

export interface Sensor {
  id: string;
  type: string;
  junction: string | null;
  last_seen: string | null;
  available_share: number | null;
  rejected: number;
  state: SensorState;
  data: Record<string, number | string | null>;
}

export const readSensors = (): Promise<Sensor[]> => read("/api/sensors");
