// Keeps the store's alarms whole: the stream tells those that change, this reads what stood before
// the page was opened and what was missed while the connection was away.

import { readAlarms } from "../calls/alarms";
import { ApiError } from "../client";
import type { Dispose } from "../context";
import type { Store } from "../store";

const EVERY_MS = 10_000;
/** The number of an alarm that could not be put on record, as that the hub is away. */
const UNRECORDED = 0;

export function keepAlarms(store: Store): Dispose {
  const read = async () => {
    try {
      const rows = await readAlarms("all");
      const told = new Set(rows.map((row) => row.id));
      for (const { id, number } of store.alarms.values()) {
        if (number === UNRECORDED && !told.has(id)) store.alarms.delete(id);
      }
      store.takeAlarms(rows.filter((row) => row.number >= (store.alarms.get(row.id)?.number ?? 0)));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // the banner and the page of alarms tell of it
    }
  };
  const timer = setInterval(() => void read(), EVERY_MS);
  void read();
  return () => clearInterval(timer);
}
