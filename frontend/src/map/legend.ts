// What the map's colours and signs mean, and whether its roads are coloured by queue or by speed.

import type { MapData } from "../shapes";
import { h, svg } from "../dom";
import type { Speech } from "../words";
import { beaconOf } from "./signs";
import { SPEED_STEPS_KMH } from "./speeds";

/** Queued vehicles per lane from which a queue counts as one level more. */
export const QUEUE_STEPS = [1, 3, 6, 10] as const;

export type Subject = "queue" | "speed";

export class Legend {
  readonly element: HTMLElement;
  private readonly steps = h("span", { class: "steps" });
  private readonly buttons: [Subject, HTMLButtonElement][];

  constructor(
    map: MapData,
    private readonly speech: Speech,
    private readonly choose: (subject: Subject) => void,
  ) {
    const { words } = speech;
    this.buttons = (["queue", "speed"] as const).map((subject) => [subject, this.button(subject)]);
    const bar = h("span", { class: "segments small", role: "group", "aria-label": words.mapColour });
    bar.append(...this.buttons.map(([, one]) => one));
    const { anchor } = map;
    const note = anchor.approximate ? h("span", { class: "note", title: anchor.note }, words.approximate) : "";
    // Speeds are those of a twin's vehicles; queues want detectors.
    bar.hidden = !map.twin;
    this.steps.hidden = map.detectors.length === 0;
    this.element = h("div", { class: "legend" }, bar, this.steps, this.signs(map), note);
    this.show("queue");
  }

  show(subject: Subject): void {
    for (const [one, button] of this.buttons) button.setAttribute("aria-pressed", String(one === subject));
    this.steps.replaceChildren(...(subject === "queue" ? this.queues() : this.speeds()));
  }

  private button(subject: Subject): HTMLButtonElement {
    const { words } = this.speech;
    const one = h("button", { type: "button", "data-subject": subject }, words.mapColours[subject]);
    one.addEventListener("click", () => {
      this.show(subject);
      this.choose(subject);
    });
    return one;
  }

  private queues(): (HTMLElement | string)[] {
    const steps = [0, ...QUEUE_STEPS].map((from, level) => {
      const text = level === 0 ? "0" : `${from}+`;
      return h("span", {}, sample("queue", level), text);
    });
    return [h("span", {}, this.speech.words.queueScale), ...steps];
  }

  private speeds(): (HTMLElement | string)[] {
    const steps = [...SPEED_STEPS_KMH, 0].map((from, level) => {
      const text = from === 0 ? `< ${SPEED_STEPS_KMH.at(-1) ?? ""}` : `${from}+`;
      return h("span", {}, sample("road", level + 1), text);
    });
    return [h("span", {}, this.speech.words.mapSpeedScale), ...steps];
  }

  private signs(map: MapData): HTMLElement {
    const { words } = this.speech;
    const charges = map.junctions.length > 0 ? this.charges() : [];
    const sensor = h("span", {}, h("span", { class: "device-sample" }), words.real.sensor);
    const beacon = beaconOf();
    beacon.dataset.severity = "high";
    beacon.dataset.new = "true";
    const alarm = h("span", {}, beacon, words.mapAlarm);
    return h("span", { class: "charge" }, ...charges, ...(map.devices.length > 0 ? [sensor] : []), alarm);
  }

  private charges(): HTMLElement[] {
    const { words } = this.speech;
    return (["centre", "local", "operator"] as const).map((charge) => {
      const disc = svg("circle", { class: "disc", cx: 8, cy: 8, r: 6 });
      const sign = svg("svg", { width: 16, height: 16, "aria-hidden": "true", "data-charge": charge }, disc);
      return h("span", {}, sign, words[charge]);
    });
  }
}

function sample(name: string, level: number): SVGSVGElement {
  const line = svg("line", { class: name, "data-level": level, x1: 1, x2: 21, y1: 6, y2: 6 });
  return svg("svg", { width: 22, height: 12, "aria-hidden": "true" }, line);
}
