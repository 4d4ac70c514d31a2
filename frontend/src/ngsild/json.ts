// Reading JSON whose shape nobody vouches for.

export type Json = Record<string, unknown>;

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A list as it is, one thing as a list of it, and nothing as an empty list. */
export function listed(value: unknown): unknown[] {
  return Array.isArray(value) ? value : value === undefined || value === null ? [] : [value];
}

export function texts(value: unknown): string[] {
  return listed(value).filter((one) => typeof one === "string");
}

export function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

export function count(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

export function objects(value: unknown): Json[] {
  return listed(value).filter(isObject);
}
