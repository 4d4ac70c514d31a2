// The value of an attribute as a person reads it: with its unit, a place as latitude and longitude, a
// relationship as a link.

import type { Context } from "../context";
import { h } from "../dom";
import { entityAddress } from "../shell/routes";
import type { Speech } from "../words";
import type { Attribute, Instance } from "./entity";
import { isObject, listed, text } from "./json";

const SHORT = 60;

/** As it stands in the table of an entity. `context`: the @context its names are told with. */
export function valueOf({ speech }: Context, one: Instance, context: string): Node | string {
  if (one.kind === "Relationship" || one.kind === "ListRelationship") return links(one.value, context);
  if (one.kind === "LanguageProperty" && isObject(one.value)) return languages(one.value);
  if (one.kind === "GeoProperty") return placed(speech, one.value);
  return plain(one.value) ? spoken(speech, one) : h("code", { class: "json" }, JSON.stringify(one.value));
}

/** In a few words: for a list of entities. */
export function brief(speech: Speech, { instances }: Attribute): string {
  const [one] = instances;
  if (!one) return "";
  const { kind, value } = one;
  if (kind === "GeoProperty") return placed(speech, value);
  if (kind === "LanguageProperty" && isObject(value)) return listed(value[speech.language] ?? Object.values(value)[0]).join(", ");
  const said = plain(value) ? spoken(speech, one) : Array.isArray(value) ? value.join(", ") : JSON.stringify(value);
  return said.length > SHORT ? `${said.slice(0, SHORT)}…` : said;
}

/** A number, a truth or a text with its unit in words. */
export function spoken(speech: Speech, { value, unitCode }: Pick<Instance, "value" | "unitCode">): string {
  const { words } = speech;
  if (value === null || value === undefined) return words.entity.noValue;
  if (typeof value === "boolean") return value ? words.yes : words.no;
  const unit = unitCode === null ? "" : (words.units[unitCode] ?? unitCode);
  const figure = typeof value === "number" ? speech.measured(value) : JSON.stringify(value).replace(/^"|"$/g, "");
  return unit === "" ? figure : unit === "%" || unit === "°" ? `${figure}${unit}` : `${figure} ${unit}`;
}

function plain(value: unknown): boolean {
  return value === null || value === undefined || typeof value !== "object";
}

function links(value: unknown, context: string): Node {
  const each = listed(value).map((one) => text(isObject(one) ? one.object : one) ?? JSON.stringify(one));
  return h("ul", { class: "links" }, ...each.map((id) => h("li", {}, h("a", { href: entityAddress(id, context) }, id))));
}

function languages(value: Record<string, unknown>): Node {
  const each = Object.entries(value).map(([tag, said]) => h("li", {}, h("small", {}, tag), " ", h("span", { lang: tag }, listed(said).join(", "))));
  return h("ul", { class: "links" }, ...each);
}

/** A point as people write it, latitude first; of anything larger, how many positions it has. */
function placed(speech: Speech, value: unknown): string {
  if (!isObject(value)) return speech.words.unknown;
  const kind = text(value.type) ?? "";
  if (kind !== "Point") {
    const count = JSON.stringify(value.coordinates ?? []).match(/\[-?\d/g)?.length ?? 0;
    return speech.words.entity.points(kind, count);
  }
  const [lon, lat] = listed(value.coordinates).map(Number);
  return lon === undefined || lat === undefined ? kind : `${lat.toFixed(5)}°, ${lon.toFixed(5)}°`;
}
