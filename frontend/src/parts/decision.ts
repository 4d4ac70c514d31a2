// One decision as a line of a list: when, where, what, what became of it, and why.

import type { Decision } from "../api";
import { h } from "../dom";
import type { Speech } from "../words";

/** One decision; without `name` where the junction is plain from the context. */
export function decisionItem(row: Decision, speech: Speech, name?: HTMLElement): HTMLLIElement {
  return h(
    "li",
    { class: row.refused ? "refused" : "", "data-decision": row.id },
    h("time", { datetime: row.city_time }, speech.clock(row.city_time)),
    h(
      "span",
      { class: "deed" },
      ...(name === undefined ? [] : [name, " "]),
      speech.action(row.action, row.phase),
    ),
    h("span", { class: "verdict" }, row.refused ? speech.words.refused : speech.verdict(row.verdict, row.mode)),
    reason(row, speech),
  );
}

/** Why it was decided so, in the page's language where it has words for it, else as recorded. */
export function reason(row: Decision, { words }: Speech): HTMLElement {
  const sentence = row.why ? words.reasons[row.why.code] : undefined;
  if (row.why && sentence) return h("span", { class: "reason" }, sentence(row.why.numbers));
  return h("span", { class: "reason", lang: "en" }, row.reason);
}
