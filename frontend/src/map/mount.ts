// Puts the map into the element that the shell gives.

import { readSensors } from "../calls/alarms";
import type { Context, Dispose } from "../context";
import { button } from "../dom";
import { spanned, writeArea } from "../ngsild/area";
import { Resource } from "../parts/resource";
import "./map.css";
import { entitiesAddress } from "../shell/routes";
import { CityMap } from "./map";
import { Plane } from "./plane";

const SENSORS_MS = 10_000;

export function mountMap(element: HTMLElement, context: Context): Dispose {
  const { store, speech, names } = context;
  const junctions = store.map.junctions;
  let stopVehicles: Dispose | null = null;
  // While another page hides the map, nobody needs vehicles measured, sent and drawn; and only a twin
  // knows where each is.
  const seen = (visible: boolean) => {
    if (!store.map.twin || visible === (stopVehicles !== null)) return;
    stopVehicles?.();
    stopVehicles = visible ? store.watchVehicles((vehicles) => map.move(vehicles)) : null;
  };
  const choose = (row: number) => context.choose(junctions[row]?.id ?? null);
  const map = new CityMap(store.map, speech, names, choose, seen);
  const show = () => {
    if (store.state) map.show(store.state, store.alarms.values());
    map.element.dataset.replay = String(store.replay !== null);
    map.mark(junctions.findIndex((junction) => junction.id === store.chosen));
  };
  map.addTool(windowTool(context, map));
  element.replaceChildren(map.element);
  map.dress();
  show();
  const stops = [context.onChange(show), context.onTheme(() => map.dress())];
  if (store.map.devices.length > 0) {
    const sensors = new Resource(speech, readSensors, (rows) => map.tell(rows), SENSORS_MS);
    stops.push(() => sensors.dispose());
  }
  return () => {
    for (const stop of stops) stop();
    seen(false);
    map.dispose();
  };
}

/** Leads to the entities that lie in what the map shows. */
function windowTool({ store, speech }: Context, map: CityMap): HTMLElement {
  const { lat, lon } = store.map.anchor;
  const plane = new Plane(lat, lon);
  const name = speech.words.entities.inWindow;
  const open = () => {
    const [from, to] = map.window;
    location.hash = entitiesAddress({ area: writeArea(spanned(plane.toLngLat(from), plane.toLngLat(to))) });
  };
  return button("\u25a3", open, { "aria-label": name, title: name });
}
