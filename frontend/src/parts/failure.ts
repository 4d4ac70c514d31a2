// What went wrong and what to do about it, in the page's language as far as it has the words.

import type { ApiError } from "../client";
import { BrokerError } from "../ngsild/door";
import type { WhyNumbers } from "../shapes";
import type { Words } from "../words";

/** The two sentences of a refusal or a failure. */
export function failure(error: ApiError, words: Words): [what: string, advice: string] {
  if (error instanceof BrokerError) return refused(error, words);
  const { message, advice, status, why } = error;
  const [what, next] = words.problems[status] ?? [];
  return [told(why, words) ?? what ?? (message || words.failed), next ?? (advice || words.failedAdvice)];
}

/** Reasons as sentences; undefined where there are none, or words for one of them are missing. */
export function told(why: { code: string; numbers: WhyNumbers }[], words: Words): string | undefined {
  const sentences = why.map(({ code, numbers }) => words.reasons[code]?.(numbers));
  if (sentences.length === 0 || sentences.includes(undefined)) return undefined;
  return sentences.join("");
}

/** The kind of the broker's error in the page's language, then what it said itself, quoted. */
function refused({ kind, title, detail }: BrokerError, words: Words): [what: string, advice: string] {
  const { kinds, said, noBroker } = words.broker;
  if (kind === "NoBroker") return noBroker;
  return [`${kinds[kind] ?? title}${words.broker.stop}`, detail === "" ? "" : said(detail)];
}
