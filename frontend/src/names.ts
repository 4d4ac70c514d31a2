// Junctions as one calls them on the spot: without the words that all their names begin with.

import type { MapJunction } from "./shapes";

export function shortNames(junctions: MapJunction[]): Map<string, string> {
  const shared = sharedStart(junctions.map((junction) => junction.name));
  return new Map(junctions.map(({ id, name }) => [id, name.slice(shared)]));
}

/** How many characters all names begin with, up to the end of a word; 0 if that left one empty. */
function sharedStart(names: string[]): number {
  const first = names[0] ?? "";
  let shared = names.length > 1 ? first.length : 0;
  for (const name of names) {
    while (!name.startsWith(first.slice(0, shared))) shared--;
  }
  while (shared > 0 && !" _-".includes(first[shared - 1] ?? "")) shared--;
  return names.some((name) => name.length <= shared) ? 0 : shared;
}
