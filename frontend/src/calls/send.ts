// Commands of the pages. `by` is the name of the person on duty; the city keeps it with the act.

import { request } from "../api";

export async function send(method: "POST" | "PUT", path: string, body: object): Promise<void> {
  const headers = { "Content-Type": "application/json" };
  await request(path, { method, headers, body: JSON.stringify(body) });
}
