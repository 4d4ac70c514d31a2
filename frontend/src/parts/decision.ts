// One decision as a line of a list: when, where, what, what became of it, and why.

import type { Decision } from "../shapes";
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

/** Why it was decided or refused so, in the page's language where it has the words, else as recorded. */
export function reason(row: Decision, { words }: Speech): HTMLElement {
  const why = row.why ? words.reasons[row.why.code]?.(row.why.numbers) : undefined;
  const refusal = row.refused ? words.refusalsBy[row.verdict] : "";
  if (why === undefined || refusal === undefined) return h("span", { class: "reason", lang: "en" }, row.reason);
  return h("span", { class: "reason" }, why + refusal);
}
