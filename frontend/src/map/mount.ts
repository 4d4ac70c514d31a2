// Puts the map into the element that the shell gives.

import type { Context, Dispose } from "../context";
import "./map.css";
import { CityMap } from "./map";

export function mountMap(element: HTMLElement, context: Context): Dispose {
  const { store, speech, names } = context;
  const junctions = store.map.junctions;
  const map = new CityMap(store.map, speech, names, (row) => context.choose(junctions[row]?.id ?? null));
  const show = () => {
    if (store.state) map.show(store.state, store.alarms.values());
    map.element.dataset.replay = String(store.replay !== null);
    map.mark(junctions.findIndex((junction) => junction.id === store.chosen));
  };
  element.replaceChildren(map.element);
  map.dress();
  show();
  const stops = [
    context.onChange(show),
    context.onTheme(() => map.dress()),
    store.watchVehicles((vehicles) => map.move(vehicles)),
  ];
  return () => {
    for (const stop of stops) stop();
    map.dispose();
  };
}
