// The pages and their addresses. An address is the part after `#`, so that the server need not know it.

import type { MapData } from "../shapes";
import type { Words } from "../words";

export type PageName = keyof Words["pages"];

export interface PageEntry {
  name: PageName;
  /** As in `#/alarms`; empty for the first page. */
  path: string;
  /** The letter that leads there after `g`. */
  key: string;
  group: keyof Words["navigationGroups"];
}

export const PAGES: readonly PageEntry[] = [
  { name: "city", path: "", key: "c", group: "watch" },
  { name: "alarms", path: "alarms", key: "a", group: "watch" },
  { name: "decisions", path: "decisions", key: "d", group: "watch" },
  { name: "measures", path: "measures", key: "m", group: "watch" },
  { name: "shift", path: "shift", key: "s", group: "watch" },
  { name: "sensors", path: "sensors", key: "e", group: "watch" },
  { name: "loops", path: "loops", key: "l", group: "manage" },
  { name: "sources", path: "sources", key: "o", group: "manage" },
  { name: "plans", path: "plans", key: "p", group: "manage" },
  { name: "retention", path: "retention", key: "r", group: "manage" },
  { name: "exports", path: "exports", key: "x", group: "manage" },
];

/** The pages that a city has: measures and plans want a twin with its cabinets. */
export function pagesOf(map: MapData): readonly PageEntry[] {
  return map.twin ? PAGES : PAGES.filter((page) => page.name !== "measures" && page.name !== "plans");
}

export interface Address {
  /** null where no page has this address. */
  page: PageName | null;
  /** The junction whose panel is open. */
  junction: string | null;
}

/** What `location.hash` asks for: `#/`, `#/alarms`, `#/junction/<id>`. */
export function readAddress(hash: string): Address {
  const path = hash.replace(/^#\/?/, "");
  const junction = /^junction\/(.+)$/.exec(path)?.[1];
  if (junction !== undefined) return { page: "city", junction: decodeURIComponent(junction) };
  return { page: PAGES.find((page) => page.path === path)?.name ?? null, junction: null };
}

export function junctionAddress(id: string): string {
  return `#/junction/${encodeURIComponent(id)}`;
}
