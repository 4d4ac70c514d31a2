// A time in a list: of the city's clock, with its day where that is another than the city's own.

import type { Context } from "../context";
import { h } from "../dom";

export function timeOf({ speech, store }: Context, iso: string): HTMLElement {
  return h("time", { datetime: iso }, speech.when(iso, store.live?.city_time ?? null));
}

/** What makes times look otherwise though their rows are the same: the city's day. */
export function today({ speech, store }: Context): string {
  const now = store.live?.city_time ?? null;
  return now === null ? "" : speech.day(now);
}
