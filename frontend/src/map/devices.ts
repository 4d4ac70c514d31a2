// Registered devices on the map: a small mark each, which leads to the page of sensors. That page is
// how keyboard and screen reader reach them, so the marks stay out of the order of tabs. Where they
// are few, each is called by its name and tells what it said last.

import type { MapData, Sensor } from "../shapes";
import { h, setText } from "../dom";
import type { Speech } from "../words";
import { place, type View } from "./view";

const MOST = 500; // more marks than this in one view tell nothing, and cost a frame
const MOST_NAMED = 40;

interface Mark {
  mark: HTMLElement;
  at: [number, number];
  title: string;
  value: HTMLElement;
}

export class DeviceMarks {
  readonly element = h("div", { class: "devices", "aria-hidden": "true" });
  private readonly marks = new Map<string, Mark>();

  constructor(
    map: MapData,
    private readonly speech: Speech,
  ) {
    const few = map.devices.length <= MOST_NAMED;
    // Among streets a name is told where one points; alone, the devices are the picture.
    this.element.dataset.named = String(few && map.roads.length === 0);
    for (const { id, type, owner, x, y } of map.devices) {
      const name = id.slice(id.lastIndexOf(":") + 1);
      const title = [`${type} ${name}`, owner].filter((part) => part !== "").join("\n");
      const value = h("small");
      const label = few ? [h("span", { class: "label" }, name, value)] : [];
      const mark = h("a", { class: "device", href: "#/sensors", tabindex: "-1", title, "data-type": type }, ...label);
      this.marks.set(id, { mark, at: [x, y], title, value });
      this.element.append(mark);
    }
  }

  /** Take in what the sensors said last. */
  tell(sensors: Sensor[]): void {
    for (const { id, values } of sensors) {
      const one = this.marks.get(id);
      if (!one) continue;
      const said = this.speech.values(values);
      one.mark.title = [one.title, ...said].join("\n");
      setText(one.value, said[0] ?? "");
    }
  }

  place(view: View): void {
    let shown = 0;
    for (const { mark, at } of this.marks.values()) {
      const [x, y] = place(view, at);
      const inside = x >= 0 && y >= 0 && x <= view.width && y <= view.height && shown < MOST;
      mark.hidden = !inside;
      if (!inside) continue;
      shown += 1;
      mark.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px) translate(-50%, -50%)`;
    }
  }
}
