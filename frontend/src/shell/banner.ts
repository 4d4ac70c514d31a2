// What is wrong with the picture as a whole: nothing yet, stale, disconnected, the hub away.

import { h, setText } from "../dom";
import type { Store } from "../store";
import type { Speech } from "../words";

/** Says what is wrong with the picture, and what to do; absent while all is well. */
export class Banner {
  readonly element = h("div", { class: "banner", role: "alert", hidden: true });
  private readonly what = h("strong");
  private readonly advice = h("span");

  constructor(
    private readonly store: Store,
    private readonly speech: Speech,
  ) {
    this.element.append(this.what, " ", this.advice);
  }

  show(): void {
    const text = this.text();
    this.element.hidden = text === null;
    if (text === null) return;
    setText(this.what, text[0]);
    setText(this.advice, text[1]);
  }

  private text(): [what: string, advice: string] | null {
    const { words } = this.speech;
    const age = this.speech.age(this.store.ageS());
    const freshness = this.store.freshness();
    if (freshness === "disconnected") return [words.disconnected(age), words.disconnectedAdvice];
    if (this.store.state?.hub_alive === false) return [words.hubAway, words.hubAwayAdvice];
    if (freshness === "waiting") return [words.nothingYet, words.nothingYetAdvice];
    return freshness === "stale" ? [words.stale(age), words.staleAdvice] : null;
  }
}
