// The one door to the NGSI-LD API (GS CIM 009) that the city serves beside its own. Its world is
// open: whoever writes an entity chooses its attributes. So an answer is `unknown` here, and a reader
// (entity.ts, subscription.ts, past.ts) makes of it what the page shows.

import { ApiError } from "../client";
import type { paths } from "../ngsild";

const KINDS = "https://uri.etsi.org/ngsi-ld/errors/";
const CONTEXT = 'rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"';

type Verb = "get" | "post" | "patch" | "delete";
export type Address<V extends Verb> = { [P in keyof paths]: paths[P] extends Record<V, object> ? P : never }[keyof paths];
type Call<P extends keyof paths, V extends Verb> = NonNullable<paths[P][V]>;
type Query<C> = C extends { parameters: { query?: infer Q } } ? Loose<NonNullable<Q>> : never;
/** What can be left out of a query may also be undefined. */
type Loose<Q> = { [K in keyof Q]?: Q[K] | undefined };
type Place<C> = C extends { parameters: { path: infer P } } ? { path: P } : { path?: never };

export type Asked<P extends keyof paths, V extends Verb> = Place<Call<P, V>> & {
  query?: Query<Call<P, V>>;
  body?: object;
  /** Address of the @context that gives names their meaning; empty for the core's alone. */
  context?: string;
};
type Words = Record<string, string | number | boolean | undefined>;

export interface Told {
  body: unknown;
  /** How many there are in all, where the question wanted them counted. */
  count: number | null;
}

/** What the broker refused, in the standard's words (ProblemDetails). */
export class BrokerError extends ApiError {
  constructor(
    /** The kind of the error: the last part of its `type`. */
    readonly kind: string,
    readonly title: string,
    /** The broker's own words, in English. */
    readonly detail: string,
    status: number,
  ) {
    super(title, detail, status);
  }
}

/** Ask the broker; raises BrokerError for what it refused, ApiError where nobody answered. */
export async function ask<V extends Verb, P extends Address<V>>(verb: V, place: P, asked: Asked<P, V>): Promise<Told> {
  const { path, query, body, context } = asked as { path?: Words; query?: Words; body?: object; context?: string };
  const headers: Record<string, string> = {};
  if (context) headers.Link = `<${context}>; ${CONTEXT}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const init: RequestInit = { method: verb.toUpperCase(), headers };
  if (body !== undefined) init.body = JSON.stringify(body);
  let response: Response;
  try {
    response = await fetch(address(place, path, query), init);
  } catch {
    throw new ApiError("", ""); // no answer at all: the page has its own words for that
  }
  if (!response.ok) throw await problem(response);
  const count = response.headers.get("NGSILD-Results-Count");
  const text = await response.text();
  return { body: text === "" ? null : (JSON.parse(text) as unknown), count: count === null ? null : Number(count) };
}

/** Where the broker keeps something, for a link or to copy. */
export function address(place: keyof paths, parts: Words = {}, query: Words = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  const asked = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  const path = place.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(parts[name])).replaceAll("%3A", ":"));
  return asked === "" ? path : `${path}?${asked}`;
}

async function problem(response: Response): Promise<ApiError> {
  const { status, statusText } = response;
  const told = response.headers.get("Content-Type")?.startsWith("application/problem+json") ?? false;
  const { type = "", title = statusText, detail = "", advice = "" } = told ? ((await response.json()) as Partial<Record<string, string>>) : {};
  if (type.startsWith(KINDS)) return new BrokerError(type.slice(KINDS.length), title, detail, status);
  // The city's own words: of an address that nobody serves, or of what does not pass its door.
  return status === 404 ? new BrokerError("NoBroker", title, detail, status) : new ApiError(detail || title, advice, status);
}
