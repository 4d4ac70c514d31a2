// The event stream: keeps itself connected, fills the store, and reads again what was missed.

import { readDecisions } from "./api";
import { ApiError } from "./client";
import type { StreamEvent } from "./shapes";
import type { Store } from "./store";

const RETRY_MS = 2000;
const LIMIT = 100;

type Carried<Name> = Extract<StreamEvent, { event: Name }>["data"];

/** Follow the city until the page goes. Positions are asked for only while somebody looks at them. */
export function follow(store: Store): void {
  const stream = new Stream(store);
  store.watch(() => stream.renew());
  document.addEventListener("visibilitychange", () => stream.renew());
  setInterval(() => store.changed(), 1000); // ages go on while no news comes
}

class Stream {
  private vehicles = false;
  /** The id of the last event that had one: a stream that is opened anew goes on after it. */
  private after = "";
  private source: EventSource;

  constructor(private readonly store: Store) {
    this.source = this.open();
  }

  /** Open again where positions became wanted, or unwanted. */
  renew(): void {
    const wanted = this.store.wantsVehicles && !document.hidden;
    if (wanted === this.vehicles) return;
    this.vehicles = wanted;
    this.source.close();
    this.source = this.open();
  }

  private open(): EventSource {
    const { store } = this;
    const source = new EventSource(`/api/stream?${this.query()}`);
    const on = <Name extends StreamEvent["event"]>(name: Name, take: (data: Carried<Name>) => void) => {
      source.addEventListener(name, (event: MessageEvent<string>) => {
        this.after = event.lastEventId || this.after;
        take(JSON.parse(event.data) as Carried<Name>);
      });
    };
    on("state", (state) => store.take(state));
    on("decisions", (rows) => store.add(rows));
    on("alarms", (rows) => store.takeAlarms(rows));
    on("vehicles", (positions) => store.takeVehicles(positions));
    on("gap", () => {
      store.missed = true;
      void this.reread();
    });
    source.addEventListener("open", () => {
      store.connected = true;
      void this.reread();
    });
    source.addEventListener("error", () => this.failed(source));
    return source;
  }

  private query(): string {
    const query = new URLSearchParams();
    if (this.vehicles) query.set("vehicles", "true");
    if (this.after !== "") query.set("after", this.after);
    return query.toString();
  }

  private failed(source: EventSource): void {
    this.store.connected = false;
    this.store.changed();
    // The browser tries again by itself, but not after an answer other than 200.
    if (source.readyState !== EventSource.CLOSED) return;
    setTimeout(() => {
      if (source === this.source) this.source = this.open();
    }, RETRY_MS);
  }

  private async reread(): Promise<void> {
    try {
      this.store.add(await readDecisions(LIMIT));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.store.missed = true; // the city was there a moment ago; the stream tells when it is again
      this.store.changed();
    }
  }
}
