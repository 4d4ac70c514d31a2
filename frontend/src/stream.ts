// The event stream: keeps itself connected, fills the store, and reads again what was missed.

import { type Decision, type LiveState, readDecisions } from "./api";
import type { Store } from "./store";

const RETRY_MS = 2000;
const LIMIT = 100;

/** Follow the city until the page goes; `changed` is called after each piece of news. */
export function follow(store: Store, changed: () => void): void {
  const source = new EventSource("/api/stream");
  const reread = async () => {
    store.add(await readDecisions(LIMIT));
    changed();
  };
  source.addEventListener("open", () => {
    store.connected = true;
    void reread();
  });
  source.addEventListener("state", (event) => {
    store.take(JSON.parse(event.data as string) as LiveState);
    changed();
  });
  source.addEventListener("decisions", (event) => {
    store.add(JSON.parse(event.data as string) as Decision[]);
    changed();
  });
  source.addEventListener("gap", () => {
    store.missed = true;
    void reread();
  });
  source.addEventListener("error", () => {
    store.connected = false;
    changed();
    // The browser tries again by itself, but not after an answer other than 200.
    if (source.readyState === EventSource.CLOSED) {
      setTimeout(() => follow(store, changed), RETRY_MS);
    }
  });
}
