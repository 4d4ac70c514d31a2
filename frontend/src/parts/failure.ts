// What went wrong and what to do about it, in the page's language as far as it has the words.

import type { ApiError } from "../client";
import type { WhyNumbers } from "../shapes";
import type { Words } from "../words";

/** The two sentences of a refusal or a failure. */
export function failure({ message, advice, status, why }: ApiError, words: Words): [what: string, advice: string] {
  const [what, next] = words.problems[status] ?? [];
  return [told(why, words) ?? what ?? (message || words.failed), next ?? (advice || words.failedAdvice)];
}

/** Reasons as sentences; undefined where there are none, or words for one of them are missing. */
export function told(why: { code: string; numbers: WhyNumbers }[], words: Words): string | undefined {
  const sentences = why.map(({ code, numbers }) => words.reasons[code]?.(numbers));
  if (sentences.length === 0 || sentences.includes(undefined)) return undefined;
  return sentences.join("");
}
