// A subscription as the page shows and writes it (GS CIM 009, 5.2.12).

import { type Area, ring } from "./area";
import { isObject, type Json, objects, text, texts } from "./json";
import { type Delivery, readDelivery } from "./why";

export interface Subscription {
  id: string;
  name: string;
  description: string;
  state: SubscriptionState;
  entities: Selector[];
  watched: string[];
  q: string;
  scopeQ: string;
  /** The geo-query as it was given; null without one. */
  geoQ: Json | null;
  triggers: string[];
  endpoint: string;
  accept: string;
  format: string;
  attributes: string[];
  throttlingS: number | null;
  intervalS: number | null;
  expiresAt: string | null;
  createdAt: string | null;
  delivery: Delivery;
  raw: Json;
}

export type SubscriptionState = "active" | "failing" | "paused" | "expired";

export interface Selector {
  ids: string[];
  idPattern: string;
  type: string;
}

/** What the form asks for. */
export interface Wish {
  name: string;
  type: string;
  ids: string[];
  watched: string[];
  q: string;
  area: Area | null;
  endpoint: string;
  format: string;
  throttlingS: number | null;
  triggers: string[];
}

export const TRIGGERS = ["entityCreated", "entityUpdated", "entityDeleted", "attributeCreated", "attributeUpdated", "attributeDeleted"] as const;
export const USUAL_TRIGGERS: readonly string[] = ["attributeCreated", "attributeUpdated"];
export const FORMATS = ["normalized", "concise", "keyValues"] as const;

export function readSubscription(body: unknown): Subscription {
  const raw: Json = isObject(body) ? body : {};
  const notification: Json = isObject(raw.notification) ? raw.notification : {};
  const endpoint: Json = isObject(notification.endpoint) ? notification.endpoint : {};
  const number = (value: unknown) => (typeof value === "number" ? value : null);
  return {
    id: text(raw.id) ?? "",
    name: text(raw.subscriptionName) ?? "",
    description: text(raw.description) ?? "",
    state: stateOf(raw, notification),
    entities: objects(raw.entities).map((one) => ({ ids: texts(one.id), idPattern: text(one.idPattern) ?? "", type: text(one.type) ?? "" })),
    watched: texts(raw.watchedAttributes),
    q: text(raw.q) ?? "",
    scopeQ: text(raw.scopeQ) ?? "",
    geoQ: isObject(raw.geoQ) ? raw.geoQ : null,
    triggers: texts(raw.notificationTrigger),
    endpoint: text(endpoint.uri) ?? "",
    accept: text(endpoint.accept) ?? "",
    format: text(notification.format) ?? "normalized",
    attributes: texts(notification.attributes),
    throttlingS: number(raw.throttling),
    intervalS: number(raw.timeInterval),
    expiresAt: text(raw.expiresAt),
    createdAt: text(raw.createdAt),
    delivery: readDelivery(notification),
    raw,
  };
}

/** The subscription as it is sent; with `before`, the fragment that makes it so (null takes away). */
export function writeSubscription(wish: Wish, before: Subscription | null): object {
  const gone = before === null ? undefined : null;
  return {
    type: "Subscription",
    subscriptionName: wish.name || gone,
    entities: before !== null && !isPlain(before) ? undefined : writeSelector(wish, gone),
    watchedAttributes: wish.watched.length > 0 ? wish.watched : gone,
    q: wish.q || gone,
    geoQ: writeGeo(wish.area, before),
    throttling: wish.throttlingS ?? gone,
    notificationTrigger: wish.triggers,
    notification: {
      ...notificationOf(before),
      format: wish.format,
      endpoint: { ...endpointOf(before), uri: wish.endpoint },
    },
  };
}

/** The area of its geo-query where that is one as the page draws it; else null. */
export function areaOf({ geoQ }: Subscription): Area | null {
  if (geoQ?.geometry !== "Polygon") return null;
  const coordinates: unknown = typeof geoQ.coordinates === "string" ? JSON.parse(geoQ.coordinates) : geoQ.coordinates;
  const outline = (Array.isArray(coordinates) ? coordinates[0] : []) as [number, number][];
  const [west, east] = [Math.min(...outline.map(([lon]) => lon)), Math.max(...outline.map(([lon]) => lon))];
  const [south, north] = [Math.min(...outline.map(([, lat]) => lat)), Math.max(...outline.map(([, lat]) => lat))];
  const area = { west, south, east, north };
  return JSON.stringify(ring(area)) === JSON.stringify(outline) ? area : null;
}

/** Whether a form with one type and some ids can hold what it is about. */
export function isPlain({ entities }: Subscription): boolean {
  return entities.length === 0 || (entities.length === 1 && entities[0]?.idPattern === "");
}

function writeSelector({ type, ids }: Wish, gone: null | undefined): object[] | null | undefined {
  if (type === "") return gone;
  return [{ type, ...(ids.length > 0 ? { id: ids } : {}) }];
}

/** One whose last notification failed is failing, though the standard calls it active. */
function stateOf(raw: Json, notification: Json): SubscriptionState {
  if (raw.status === "paused" || raw.status === "expired") return raw.status;
  return notification.status === "failed" ? "failing" : "active";
}

/** A geo-query that the page cannot draw stays as it is where no other was drawn. */
function writeGeo(area: Area | null, before: Subscription | null): object | null | undefined {
  if (area !== null) return { georel: "intersects", geometry: "Polygon", coordinates: [ring(area)] };
  if (before === null || (before.geoQ !== null && areaOf(before) === null)) return undefined;
  return null;
}

function notificationOf(before: Subscription | null): Json {
  const raw = isObject(before?.raw.notification) ? before.raw.notification : {};
  const written = ["attributes", "pick", "omit", "showChanges", "sysAttrs", "join", "joinLevel"];
  return Object.fromEntries(Object.entries(raw).filter(([name]) => written.includes(name)));
}

function endpointOf(before: Subscription | null): Json {
  const notification = before?.raw.notification;
  return isObject(notification) && isObject(notification.endpoint) ? notification.endpoint : {};
}
