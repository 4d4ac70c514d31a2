// Why something was decided, refused or lapsed: one sentence per code of `why`. The record holds the
// English sentence itself; other languages are written here from the same numbers.

export type Numbers = Record<string, number | string | null>;
type Sentence = (numbers: Numbers) => string;

const en: { reasons: Record<string, Sentence> } = { reasons: {} };

const zh: typeof en = { reasons: {} };

export const reasonWords = { en, zh };
