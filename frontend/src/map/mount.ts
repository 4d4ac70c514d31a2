// Puts the map into the element that the shell gives.

import { readSensors } from "../calls/alarms";
import type { Context, Dispose } from "../context";
import { Resource } from "../parts/resource";
import "./map.css";
import { CityMap } from "./map";

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
