// The map's colours as the style sheet gives them, for what is drawn on a canvas and cannot inherit.

export interface Palette {
  paper: string;
  casing: string;
  road: string;
  /** By level: no queue to a very long one. */
  queue: string[];
  /** By level: not known, then free to standing. */
  speed: string[];
  vehicle: string;
}

const QUEUE = ["--queue-0", "--queue-1", "--queue-2", "--queue-3", "--queue-4"];
const SPEED = ["--map-road", "--map-free", "--queue-1", "--queue-2", "--queue-3", "--queue-4"];

/** What the style sheet says for `element` now. */
export function readPalette(element: HTMLElement): Palette {
  const probe = document.createElement("span");
  element.append(probe);
  const style = getComputedStyle(probe);
  const read = (name: string) => {
    probe.style.color = `var(${name})`;
    return style.color;
  };
  const palette = {
    paper: read("--map-paper"),
    casing: read("--map-casing"),
    road: read("--map-road"),
    queue: QUEUE.map(read),
    speed: SPEED.map(read),
    vehicle: read("--map-vehicle"),
  };
  probe.remove();
  return palette;
}
