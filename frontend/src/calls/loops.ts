// Loops with their health, versions and shadow results.

import { get, post } from "../client";

export const readLoops = () => get("/api/loops");

export function runVersion(loop: string, version: string, reason: string, by: string) {
  return post("/api/loops/{name}/version", { path: { name: loop }, body: { version, reason, by } });
}
