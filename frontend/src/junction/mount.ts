// Puts the panel of one junction into the element that the shell gives.

import type { Context, Dispose } from "../context";
import "./junction.css";
import { JunctionPanel } from "./panel";

export function mountJunctionPanel(element: HTMLElement, context: Context, id: string): Dispose {
  const row = context.store.map.junctions.findIndex((junction) => junction.id === id);
  const panel = new JunctionPanel(context, row);
  element.replaceChildren(panel.element);
  panel.show();
  const stop = context.onChange(() => panel.show());
  return () => {
    stop();
    panel.element.remove();
  };
}
