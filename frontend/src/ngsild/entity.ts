// An entity as the page shows it, read from the normalised form (GS CIM 009, 4.5.1 - 4.5.24).

import { isObject, type Json, objects, text, texts } from "./json";

/** One value of an attribute: there are several where each names another `datasetId`. */
export interface Instance {
  kind: string;
  datasetId: string | null;
  value: unknown;
  unitCode: string | null;
  observedAt: string | null;
  modifiedAt: string | null;
  /** What it says of the value itself: quality, who observed it. */
  about: Attribute[];
}

export interface Attribute {
  name: string;
  instances: Instance[];
}

export interface Entity {
  id: string;
  types: string[];
  scopes: string[];
  createdAt: string | null;
  modifiedAt: string | null;
  attributes: Attribute[];
  /** As the broker told it. */
  raw: Json;
}

/** Under which member the value of each kind of attribute stands. */
const VALUES: Record<string, string> = {
  Property: "value",
  GeoProperty: "value",
  Relationship: "object",
  LanguageProperty: "languageMap",
  VocabProperty: "vocab",
  JsonProperty: "json",
  ListProperty: "valueList",
  ListRelationship: "objectList",
};
const OF_ENTITY = new Set(["id", "type", "scope", "@context", "createdAt", "modifiedAt", "deletedAt", "expiresAt"]);
const OF_INSTANCE = new Set([
  ...["type", "datasetId", "instanceId", "unitCode", "observedAt", "createdAt", "modifiedAt", "deletedAt", "expiresAt"],
  ...["objectType", "previousValue", "previousObject", "lang", "entity", "entityList"],
  ...Object.values(VALUES),
]);

export function readEntity(body: unknown): Entity {
  const raw = isObject(body) ? body : {};
  return {
    id: text(raw.id) ?? "",
    types: texts(raw.type),
    scopes: texts(raw.scope),
    createdAt: text(raw.createdAt),
    modifiedAt: text(raw.modifiedAt),
    attributes: readAttributes(raw, OF_ENTITY),
    raw,
  };
}

/** The latest time that an attribute tells of; null where none tells one. */
export function observedAt({ attributes }: Entity): string | null {
  const times = attributes.flatMap(({ instances }) => instances.map((one) => one.observedAt ?? ""));
  return times.reduce((a, b) => (a > b ? a : b), "") || null;
}

/** The last part of a name: an attribute or a type without a @context is called by its IRI. */
export function shortName(name: string): string {
  return name.includes("/") || name.includes("#") ? (name.split(/[/#]/).filter(Boolean).at(-1) ?? name) : name;
}

/** Where an entity is, by its first GeoProperty: each position as longitude, latitude. */
export function positions({ attributes }: Entity): [number, number][] {
  const known = attributes.toSorted((a, b) => Number(b.name === "location") - Number(a.name === "location"));
  const geo = known.flatMap(({ instances }) => instances).find(({ kind }) => kind === "GeoProperty");
  return isObject(geo?.value) ? [...walk(geo.value.coordinates)] : [];
}

function readAttributes(raw: Json, own: ReadonlySet<string>): Attribute[] {
  return Object.entries(raw)
    .filter(([name]) => !own.has(name))
    .map(([name, value]) => ({ name, instances: objects(value).map(readInstance) }))
    .filter(({ instances }) => instances.length > 0);
}

function readInstance(raw: Json): Instance {
  const kind = text(raw.type) ?? "Property";
  return {
    kind,
    datasetId: text(raw.datasetId),
    value: raw[VALUES[kind] ?? "value"],
    unitCode: text(raw.unitCode),
    observedAt: text(raw.observedAt),
    modifiedAt: text(raw.modifiedAt),
    about: readAttributes(raw, OF_INSTANCE),
  };
}

/** Every position in GeoJSON coordinates, however deep they are nested. */
function* walk(coordinates: unknown): Generator<[number, number]> {
  if (!Array.isArray(coordinates)) return;
  const [lon, lat] = coordinates as unknown[];
  if (typeof lon === "number" && typeof lat === "number") yield [lon, lat];
  else for (const part of coordinates) yield* walk(part);
}
