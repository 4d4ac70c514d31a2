// Why a subscription was, or was not, told of an entity, as the broker answers it.

import { count, isObject, type Json, objects, text, texts } from "./json";

export interface Why {
  subscription: string;
  /** Empty where it was given none. */
  name: string;
  entity: string;
  verdict: string;
  /** One sentence, in English. */
  answer: string;
  checks: Check[];
  lastWrite: { at: string | null; created: string[]; updated: string[]; deleted: string[] } | null;
}

/** One thing that the subscription asks for, and what the entity has. */
export interface Check {
  part: string;
  asks: string;
  has: string;
  holds: boolean;
}

/** What became of the notifications of a subscription. */
export interface Delivery {
  /** Taken by whoever was told. */
  delivered: number;
  failed: number;
  pending: number;
  throttled: number;
  dropped: number;
  lastNotification: string | null;
  lastSuccess: string | null;
  lastFailure: string | null;
  lastError: string | null;
}

export function readWhy(body: unknown): Why {
  const raw: Json = isObject(body) ? body : {};
  const write = isObject(raw.lastWrite) ? raw.lastWrite : null;
  return {
    subscription: text(raw.subscriptionId) ?? "",
    name: text(raw.subscriptionName) ?? "",
    entity: text(raw.entityId) ?? "",
    verdict: text(raw.verdict) ?? "",
    answer: text(raw.answer) ?? "",
    checks: objects(raw.checks).map(readCheck),
    lastWrite: write && { at: text(write.at), created: texts(write.created), updated: texts(write.updated), deleted: texts(write.deleted) },
  };
}

export function readDelivery(raw: Json): Delivery {
  return {
    // The standard counts attempts, those that failed among them.
    delivered: count(raw.timesSent) - count(raw.timesFailed),
    failed: count(raw.timesFailed),
    pending: count(raw.pending),
    throttled: count(raw.throttled),
    dropped: count(raw.dropped),
    lastNotification: text(raw.lastNotification),
    lastSuccess: text(raw.lastSuccess),
    lastFailure: text(raw.lastFailure),
    lastError: text(raw.lastError),
  };
}

function readCheck(raw: Json): Check {
  const written = (value: unknown) => value === undefined ? "" : (text(value) ?? JSON.stringify(value));
  return { part: text(raw.part) ?? "", asks: written(raw.asks), has: written(raw.has), holds: raw.holds === true };
}
