// Registered devices on the map: a small mark each, which leads to the page of sensors. That page is
// how keyboard and screen reader reach them, so the marks stay out of the order of tabs.

import type { MapData } from "../shapes";
import { h } from "../dom";
import { place, type View } from "./view";

const MOST = 500; // more marks than this in one view tell nothing, and cost a frame

export class DeviceMarks {
  readonly element = h("div", { class: "devices", "aria-hidden": "true" });
  private readonly marks: { mark: HTMLElement; at: [number, number] }[];

  constructor(map: MapData) {
    this.marks = map.devices.map(({ id, type, owner, x, y }) => {
      const name = id.slice(id.lastIndexOf(":") + 1);
      const title = [`${type} ${name}`, owner].filter((part) => part !== "").join("\n");
      const mark = h("a", { class: "device", href: "#/sensors", tabindex: "-1", title, "data-type": type });
      return { mark, at: [x, y] };
    });
    this.element.append(...this.marks.map(({ mark }) => mark));
  }

  place(view: View): void {
    let shown = 0;
    for (const { mark, at } of this.marks) {
      const [x, y] = place(view, at);
      const inside = x >= 0 && y >= 0 && x <= view.width && y <= view.height && shown < MOST;
      mark.hidden = !inside;
      if (!inside) continue;
      shown += 1;
      mark.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px) translate(-50%, -50%)`;
    }
  }
}
