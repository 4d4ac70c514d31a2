// Subscriptions: who is told of what, and whether it came through.

import { ask } from "../ngsild/door";
import { isObject, objects } from "../ngsild/json";
import { readSubscription, type Subscription, type Wish, writeSubscription } from "../ngsild/subscription";
import { readWhy, type Why } from "../ngsild/why";
import type { SubscriptionsFound } from "../ngsild/question";

const ONE = "/ngsi-ld/v1/subscriptions/{subscriptionId}";

export async function readSubscriptions(offset: number, limit: number): Promise<SubscriptionsFound> {
  const { body, count } = await ask("get", "/ngsi-ld/v1/subscriptions", { query: { offset, limit, count: "true", options: "sysAttrs" } });
  const subscriptions = objects(body).map(readSubscription);
  return { subscriptions, total: count ?? subscriptions.length };
}

export async function readSubscriptionOf(id: string): Promise<Subscription> {
  const { body } = await ask("get", ONE, { path: { subscriptionId: id }, query: { options: "sysAttrs" } });
  return readSubscription(body);
}

/** Why it was, or was not, told of an entity. */
export async function askWhy(id: string, entity: string): Promise<Why> {
  const { body } = await ask("get", "/ngsi-ld/v1/subscriptions/{subscriptionId}/why", { path: { subscriptionId: id }, query: { entity } });
  return readWhy(isObject(body) ? body : {});
}

export async function createSubscription(wish: Wish): Promise<void> {
  await ask("post", "/ngsi-ld/v1/subscriptions", { body: writeSubscription(wish, null) });
}

export async function changeSubscription(before: Subscription, wish: Wish): Promise<void> {
  await ask("patch", ONE, { path: { subscriptionId: before.id }, body: writeSubscription(wish, before) });
}

export async function pauseSubscription(id: string, paused: boolean): Promise<void> {
  await ask("patch", ONE, { path: { subscriptionId: id }, body: { type: "Subscription", isActive: !paused } });
}

export async function deleteSubscription(id: string): Promise<void> {
  await ask("delete", ONE, { path: { subscriptionId: id } });
}
