// Entities as the broker keeps them now and kept them before.

import type { Area } from "../ngsild/area";
import { geoQuery } from "../ngsild/area";
import { ask, BrokerError } from "../ngsild/door";
import { type Entity, readEntity } from "../ngsild/entity";
import { listed, objects, texts } from "../ngsild/json";
import { type Past, readPast } from "../ngsild/past";
import type { EntityQuestion, Found } from "../ngsild/question";
import { readWhy, type Why } from "../ngsild/why";

/** Entities of one page, and how many there are in all. */
export async function findEntities(asked: EntityQuestion, area: Area | null, limit: number): Promise<Found> {
  const { type, id, q, context, offset } = asked;
  const bounded = type !== "" || id !== "" || q !== "" || area !== null;
  const query = {
    type: type || undefined,
    idPattern: id === "" ? undefined : literally(id),
    q: q || undefined,
    ...geoQuery(area),
    // The standard wants to be told that all are wanted.
    local: bounded ? undefined : ("true" as const),
    options: "sysAttrs",
    count: "true" as const,
    limit,
    offset,
  };
  const { body, count } = await ask("get", "/ngsi-ld/v1/entities", { query, context });
  const entities = objects(body).map(readEntity);
  return { entities, total: count ?? entities.length };
}

export async function readOne(id: string, context: string): Promise<Entity> {
  const { body } = await ask("get", "/ngsi-ld/v1/entities/{entityId}", { path: { entityId: id }, query: { options: "sysAttrs" }, context });
  return readEntity(body);
}

export async function readTypes(context: string): Promise<string[]> {
  const { body } = await ask("get", "/ngsi-ld/v1/types", { context });
  return texts(objects(body)[0]?.typeList).sort();
}

/** The latest `last` values of one attribute, oldest first. */
export async function readHistory(id: string, attribute: string, last: number, context: string): Promise<Past[]> {
  const query = { attrs: attribute, lastN: last, options: "temporalValues" };
  try {
    const { body } = await ask("get", "/ngsi-ld/v1/temporal/entities/{entityId}", { path: { entityId: id }, query, context });
    return listed(objects(body)[0]?.[attribute]).flatMap(readPast);
  } catch (error) {
    // That no past is kept is an answer.
    if (error instanceof BrokerError && error.kind === "ResourceNotFound") return [];
    throw error;
  }
}

/** Every subscription that is about the entity, and how it stands with it. */
export async function readWatching(id: string): Promise<Why[]> {
  const { body } = await ask("get", "/ngsi-ld/v1/entities/{entityId}/why", { path: { entityId: id } });
  return objects(body).map(readWhy);
}

/** A pattern that matches the text itself. */
function literally(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
