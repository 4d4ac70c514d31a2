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
  { name: "entities", path: "entities", key: "n", group: "watch" },
  { name: "loops", path: "loops", key: "l", group: "manage" },
  { name: "sources", path: "sources", key: "o", group: "manage" },
  { name: "subscriptions", path: "subscriptions", key: "b", group: "manage" },
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
  /** What the page is about: an entity, a subscription; null where it is about all of them. */
  subject: string | null;
  /** What is looked for on it. */
  query: URLSearchParams;
}

/** Pages of one thing, and the page in whose place they stand. */
const OF_ONE: Record<string, PageName> = { junction: "city", entity: "entities", subscription: "subscriptions" };

/** What `location.hash` asks for: `#/`, `#/alarms`, `#/junction/<id>`, `#/entities?type=<type>`. */
export function readAddress(hash: string): Address {
  const [path = "", asked = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const query = new URLSearchParams(asked);
  const [, kind = "", id = ""] = /^(\w+)\/(.+)$/.exec(path) ?? [];
  const page = OF_ONE[kind];
  if (page === undefined) {
    return { page: PAGES.find((one) => one.path === path)?.name ?? null, junction: null, subject: null, query };
  }
  const subject = decodeURIComponent(id);
  return { page, junction: page === "city" ? subject : null, subject, query };
}

export function junctionAddress(id: string): string {
  return `#/junction/${encodeURIComponent(id)}`;
}

/** `context`: address of the @context that its names are told with; empty for none. */
export function entityAddress(id: string, context = ""): string {
  return `#/entity/${encodeURIComponent(id)}${asked({ context })}`;
}

export function entitiesAddress(query: Record<string, string>): string {
  return `#/entities${asked(query)}`;
}

/** `entity`: asks at once why the subscription was, or was not, told of it. */
export function subscriptionAddress(id: string, entity = ""): string {
  return `#/subscription/${encodeURIComponent(id)}${asked({ entity })}`;
}

/** The form of a new subscription to entities of a type. */
export function subscribeAddress(type: string): string {
  return `#/subscriptions${asked({ type })}`;
}

function asked(query: Record<string, string>): string {
  const given = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "")).toString();
  return given === "" ? "" : `?${given}`;
}
