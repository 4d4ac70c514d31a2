// What is told beside the pointer or the focused junction: its state and its queue from each side.

import type { LiveState, MapData, Point } from "../shapes";
import { h, setText } from "../dom";
import type { Speech } from "../words";
import { type Approach, load, side } from "./geometry";

const AWAY_PX = 14;

export class Tip {
  readonly element = h("div", { class: "tip", hidden: true, "aria-hidden": "true" });
  private readonly title = h("b");
  private readonly text = h("span");
  private readonly list = h("ul");

  constructor(
    private readonly map: MapData,
    private readonly approaches: Approach[],
    private readonly speech: Speech,
  ) {
    this.element.append(this.title, this.text, this.list);
  }

  junction(row: number, state: LiveState): void {
    const junction = this.map.junctions[row];
    const one = state.junctions[row];
    if (!junction || !one) return;
    const { words } = this.speech;
    setText(this.title, junction.name);
    const charge = [words.local, words.centre, words.operator][one[3]] ?? "";
    setText(this.text, `${this.speech.shown(one)} · ${charge}`);
    const bySide = new Map<number, { queued: number; vehicles: number }>();
    for (const approach of this.approaches) {
      if (approach.junction !== row) continue;
      const { queued, vehicles } = load(approach, state);
      const sum = bySide.get(side(approach.angle)) ?? { queued: 0, vehicles: 0 };
      bySide.set(side(approach.angle), { queued: sum.queued + queued, vehicles: sum.vehicles + vehicles });
    }
    const rows = [...bySide].sort(([a], [b]) => a - b).map(([key, sum]) => this.row(key, sum));
    this.list.replaceChildren(...rows);
    this.element.hidden = false;
  }

  approach(approach: Approach, state: LiveState, speedMps: number): void {
    const { words } = this.speech;
    const { queued, vehicles } = load(approach, state);
    setText(this.title, this.map.junctions[approach.junction]?.name ?? "");
    setText(this.text, words.from(words.approaches[side(approach.angle)] ?? ""));
    const speed = Number.isNaN(speedMps) ? [] : [h("li", {}, words.mapSpeed(Math.round(speedMps * 3.6)))];
    this.list.replaceChildren(h("li", {}, words.queuedOf(queued, vehicles)), ...speed);
    this.element.hidden = false;
  }

  /** Beside a place, on the side where there is room. */
  put([x, y]: Point, width: number, height: number): void {
    const { offsetWidth: wide, offsetHeight: high } = this.element;
    const left = x + AWAY_PX + wide > width ? Math.max(0, x - AWAY_PX - wide) : x + AWAY_PX;
    const top = Math.min(Math.max(0, y + AWAY_PX), Math.max(0, height - high));
    this.element.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }

  hide(): void {
    this.element.hidden = true;
  }

  private row(key: number, { queued, vehicles }: { queued: number; vehicles: number }): HTMLElement {
    const { words } = this.speech;
    return h("li", {}, `${words.from(words.approaches[key] ?? "")}: ${words.queuedOf(queued, vehicles)}`);
  }
}
