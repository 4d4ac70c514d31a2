// A subscription told in a few words.

import { h } from "../dom";
import type { Speech } from "../words";
import { shortName } from "./entity";
import type { Subscription } from "./subscription";

/** By its name where it has one, else by the end of its id. */
export function nameOf({ name, description, id }: Subscription): string {
  return name || description || endOf(id);
}

/** What tells a URN from its neighbours. */
export function endOf(id: string): string {
  return id.slice(id.lastIndexOf(":") + 1) || id;
}

/** An id that breaks at its colons; its end, which tells it from its neighbours, stands out. */
export function idParts(id: string): Node[] {
  const parts = id.split(/(?<=[:/])/);
  return parts.flatMap((part, at) => (at === parts.length - 1 ? [h("strong", {}, part)] : [document.createTextNode(part), h("wbr")]));
}

/** What it is about: "type AirQualityObserved · when NO2 changes · where NO2>40". */
export function aboutOf({ words }: Speech, one: Subscription): string {
  const own = words.subscription;
  const selectors = one.entities.map(({ type, ids, idPattern }) =>
    [type === "" || type === "*" ? own.anything : own.ofType(shortName(type)), ids.length > 0 ? own.withId(ids.join(", ")) : "", idPattern && own.withPattern(idPattern)]
      .filter(Boolean)
      .join(", "),
  );
  const parts = [
    selectors.join(" | ") || own.anything,
    one.watched.length > 0 ? own.changing(one.watched.map(shortName).join(", ")) : "",
    one.q && own.where(one.q),
    one.scopeQ && own.where(one.scopeQ),
    one.geoQ === null ? "" : own.inArea,
    one.intervalS === null ? "" : own.every(String(one.intervalS)),
    one.throttlingS === null ? "" : own.atMost(String(one.throttlingS)),
  ];
  return parts.filter(Boolean).join(" · ");
}

export function stateMark({ words }: Speech, { state }: Subscription): HTMLElement {
  const well = state === "failing" ? "no" : state === "active" ? "yes" : "off";
  return h("span", { class: "condition", "data-well": well }, words.subscription.states[state]);
}
