// Loops with their health, versions and shadow results, as /api/loops tells them.

import { type Mode, read } from "../api";
import { send } from "./send";

export interface Shadow {
  since: string;
  ticks: number;
  proposals: number;
  refused: number;
  failures: number;
  agreement: number | null;
  allows_act: boolean;
  why: string;
}

export interface LoopGroup {
  name: string;
  junctions: string[];
  mode: Mode;
  shadow: Shadow | null;
}

export interface LoopRow {
  name: string;
  version: string;
  versions: string[];
  state: "ok" | "failing" | "late" | "off";
  reason: string;
  ticks: number;
  failures: number;
  latency_p50_ms: number | null;
  latency_p99_ms: number | null;
  groups: LoopGroup[];
}

export const readLoops = (): Promise<LoopRow[]> => read("/api/loops");

export function runVersion(loop: string, version: string, reason: string, by: string): Promise<void> {
  return send("POST", `/api/loops/${loop}/version`, { version, reason, by });
}
