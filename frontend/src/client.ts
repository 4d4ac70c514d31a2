// The one door to the city's HTTP API. Addresses, queries, bodies and answers are those of its own
// description, so a call that the city does not know is not compiled. openapi-fetch does the same
// and much more in 6 kB; this is what one page needs of it.

import type { paths } from "./schema";
import type { Problem } from "./shapes";

type Verb = "get" | "post" | "put";
type Address<V extends Verb> = { [P in keyof paths]: paths[P] extends Record<V, object> ? P : never }[keyof paths];
type Call<P extends keyof paths, V extends Verb> = NonNullable<paths[P][V]>;
type Asked<C> = Place<C> & Query<C> & Body<C>;
/** Nothing need be said where nothing has to be. */
type Say<C> = object extends Asked<C> ? [asked?: Asked<C>] : [asked: Asked<C>];
type Place<C> = C extends { parameters: { path: infer P } } ? { path: P } : { path?: never };
type Query<C> = C extends { parameters: { query: infer Q } }
  ? { query: Q }
  : C extends { parameters: { query?: infer Q } }
    ? { query?: Loose<Q> }
    : never;
/** What can be left out of a query may also be undefined. */
type Loose<Q> = { [K in keyof Q]: Q[K] | undefined };
type Body<C> = C extends { requestBody: { content: { "application/json": infer B } } } ? { body: B } : { body?: never };
type Answer<C> = C extends { responses: { 200: { content: { "application/json": infer A } } } } ? A : never;
type Words = Record<string, string | number | boolean | undefined>;

/** What the server said went wrong (RFC 9457) and what to do about it, in English; `why` for other languages. */
export class ApiError extends Error {
  constructor(
    detail: string,
    readonly advice: string,
    readonly status = 0,
    readonly why: Problem["why"] = [],
  ) {
    super(detail);
  }
}

/** Read from an address. */
export async function get<P extends Address<"get">>(address: P, ...[asked]: Say<Call<P, "get">>): Promise<Answer<Call<P, "get">>> {
  const response = await request("GET", address, asked ?? {});
  return (await response.json()) as Answer<Call<P, "get">>;
}

/** Have something done; returns when the city took it. */
export async function post<P extends Address<"post">>(address: P, asked: Asked<Call<P, "post">>): Promise<void> {
  await request("POST", address, asked);
}

/** Replace what stands at an address. */
export async function put<P extends Address<"put">>(address: P, asked: Asked<Call<P, "put">>): Promise<void> {
  await request("PUT", address, asked);
}

async function request(method: string, address: string, asked: { path?: Words; query?: Words; body?: unknown }): Promise<Response> {
  const init: RequestInit = { method };
  if (asked.body !== undefined) {
    init.headers = { "Content-Type": "application/json" };
    init.body = JSON.stringify(asked.body);
  }
  let response: Response;
  try {
    response = await fetch(written(address, asked.path ?? {}, asked.query ?? {}), init);
  } catch {
    throw new ApiError("", ""); // no answer at all: the page has its own words for that
  }
  if (!response.ok) throw await problem(response);
  return response;
}

function written(address: string, parts: Words, query: Words): string {
  const path = address.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(parts[name])));
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}

async function problem(response: Response): Promise<ApiError> {
  if (response.headers.get("Content-Type") !== "application/problem+json") {
    return new ApiError(`${response.status} ${response.statusText}`, "", response.status);
  }
  const { detail, advice, status, why } = (await response.json()) as Problem;
  return new ApiError(detail, advice, status, why);
}
