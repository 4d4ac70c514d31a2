// The first page: measures above, the map with its time below, and at the right what needs a person,
// the loops and the decisions, or the junction that was chosen.

import { AlarmBrief } from "../city/alarms";
import { Feed } from "../city/feed";
import { Advice, Loops } from "../city/loops";
import { MeasureStrip } from "../city/measures";
import { SourceStrip } from "../city/sources";
import type { Context, Dispose } from "../context";
import { h } from "../dom";
import { mountJunctionPanel } from "../junction/mount";
import { mountMap } from "../map/mount";
import { mountTimeSlider } from "../replay/mount";
import type { Page } from "./page";

export class CityPage implements Page {
  readonly element: HTMLElement;
  private readonly map = h("div", { class: "map-place" });
  private readonly time = h("div", { class: "time-place" });
  private readonly panel = h("div", { class: "panel-place", hidden: true });
  private readonly side: HTMLElement;
  private readonly parts: { show(): void }[];
  private readonly stops: Dispose[];
  private readonly watchers = new Set<() => void>();
  private closePanel: Dispose | null = null;
  private chosen: string | null = null;
  private mounted = false;

  constructor(private readonly context: Context) {
    const { store, speech, names, choose } = context;
    const measures = store.map.twin ? new MeasureStrip(context) : new SourceStrip(context);
    const alarms = new AlarmBrief(context);
    const advice = new Advice(context);
    const loops = new Loops(context);
    loops.element.hidden = store.map.loops.length === 0;
    const feed = new Feed(store, speech, names, choose);
    this.parts = [alarms, advice, loops, feed];
    this.side = h("div", { class: "side" }, this.panel, alarms.element, advice.element, loops.element, feed.element);
    this.element = h("div", { class: "city" }, measures.element, this.map, this.time, this.side);
    this.stops = [];
    // Sources are no part of the state: their strip reads by itself.
    if (measures instanceof SourceStrip) this.stops.push(() => measures.dispose());
    else this.parts.push(measures);
  }

  /** Opens the panel of a junction in place of loops and decisions, or closes it with null. */
  choose(junction: string | null): void {
    this.mount();
    if (junction === this.chosen) return;
    const left = this.chosen;
    this.chosen = junction;
    this.closePanel?.();
    this.closePanel = null;
    const known = this.context.store.map.junctions.some((one) => one.id === junction);
    this.panel.hidden = !known;
    this.side.dataset.panel = String(known);
    if (junction !== null && known) {
      this.closePanel = mountJunctionPanel(this.panel, this.context, junction);
      this.panel.querySelector<HTMLElement>("[tabindex]")?.focus({ preventScroll: true });
      this.panel.scrollIntoView({ block: "nearest" });
    } else if (left !== null) {
      this.map.querySelector<HTMLElement>(`[data-junction="${CSS.escape(left)}"]`)?.focus();
    }
  }

  show(): void {
    for (const part of this.parts) part.show();
    for (const watcher of this.watchers) watcher();
  }

  /** Calls `changed` after each piece of news while this page is shown. */
  watch(changed: () => void): Dispose {
    this.watchers.add(changed);
    return () => this.watchers.delete(changed);
  }

  dispose(): void {
    this.closePanel?.();
    for (const stop of this.stops) stop();
  }

  /** The map is mounted when the page is first looked at: it wants to know its size. */
  private mount(): void {
    if (this.mounted) return;
    this.mounted = true;
    this.stops.push(mountMap(this.map, this.context), mountTimeSlider(this.time, this.context));
  }
}
