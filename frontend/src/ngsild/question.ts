// What is looked for among the entities, as it stands in the page's address.

import type { Entity } from "./entity";
import type { Subscription } from "./subscription";

export interface EntityQuestion {
  type: string;
  /** What the id holds. */
  id: string;
  q: string;
  /** An area as it was written. */
  area: string;
  context: string;
  offset: number;
}

export interface Found {
  entities: Entity[];
  /** How many there are in all, this page's among them. */
  total: number;
}

export function readQuestion(query: URLSearchParams): EntityQuestion {
  const word = (name: string) => query.get(name) ?? "";
  const offset = Number(query.get("offset") ?? 0);
  return { type: word("type"), id: word("id"), q: word("q"), area: word("area"), context: word("context"), offset: Number.isInteger(offset) && offset > 0 ? offset : 0 };
}

export function writeQuestion({ offset, ...asked }: EntityQuestion): Record<string, string> {
  return { ...asked, offset: offset === 0 ? "" : String(offset) };
}

export interface SubscriptionsFound {
  subscriptions: Subscription[];
  total: number;
}
