// The quiet line of totals; a figure takes colour only when it says that something was turned away.

import type { Counters } from "../shapes";
import { h, setAttribute, setText } from "../dom";
import type { Speech } from "../words";

type Entry = [label: string, read: (counters: Counters) => string, alarming?: keyof Counters];

export class CounterLine {
  readonly element: HTMLElement;
  private readonly entries: { read: (counters: Counters) => string; alarming: keyof Counters | undefined; value: HTMLElement }[];

  constructor(speech: Speech) {
    const { words } = speech;
    const table: Entry[] = [
      [words.observations, (c) => speech.count(c.observations_total)],
      [words.perSecond, (c) => speech.count(c.observations_per_s)],
      [words.rejected, (c) => speech.count(c.rejected_total), "rejected_total"],
      [words.decisions, (c) => speech.count(c.decisions_total)],
      [words.refusals, (c) => speech.count(c.refused_total)],
      [words.fallbacks, (c) => speech.count(c.fallbacks_total), "fallbacks_total"],
      [words.latency, (c) => `${speech.ms(c.loop_latency_p50_ms)} / ${speech.ms(c.loop_latency_p99_ms)} ms`],
    ];
    this.entries = table.map(([, read, alarming]) => ({ read, alarming, value: h("dd") }));
    const pairs = table.map(([label], i) => h("div", {}, h("dt", {}, label), this.entries[i]?.value ?? ""));
    this.element = h("footer", { class: "counters" }, h("dl", { "aria-label": words.counters }, ...pairs));
  }

  show(counters: Counters): void {
    for (const { read, alarming, value } of this.entries) {
      setText(value, read(counters));
      setAttribute(value, "data-alarming", String(alarming !== undefined && (counters[alarming] ?? 0) > 0));
    }
  }
}
