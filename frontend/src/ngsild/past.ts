// How an attribute came to be what it is, read from the simplified form of the temporal API
// (GS CIM 009, 4.5.8).

import { isObject, type Json, listed, text } from "./json";

/** Values of one instance of an attribute by the time they were observed, oldest first. */
export interface Past {
  datasetId: string | null;
  moments: Moment[];
}

export interface Moment {
  at: string;
  value: unknown;
}

const LISTS = ["values", "objects", "languageMaps", "vocabs", "jsons", "valueLists", "objectLists"];

export function readPast(raw: unknown): Past[] {
  if (!isObject(raw)) return [];
  const pairs = listed(raw[LISTS.find((name) => name in raw) ?? "values"]);
  const moments = pairs.filter(isPair).map(([value, at]): Moment => ({ value, at }));
  return [{ datasetId: text((raw satisfies Json).datasetId), moments: moments.sort((a, b) => a.at.localeCompare(b.at)) }];
}

/** Whether its values are numbers, and enough of them to be drawn. */
export function isDrawn(past: Past[]): boolean {
  const values = past.flatMap(({ moments }) => moments.map(({ value }) => value));
  return values.length > 1 && values.every((value) => typeof value === "number" || typeof value === "boolean" || value === null);
}

function isPair(one: unknown): one is [unknown, string] {
  return Array.isArray(one) && typeof one[1] === "string";
}
