// Vehicles on a canvas of their own above the roads: while the camera rests, only this is redrawn. One
// path of all vehicles a frame is well under a millisecond for 600 (benchmarks/page.py measures it),
// so it needs no WebGL, and the map without WebGL has it too.

import type { Vehicles } from "../shapes";
import { h } from "../dom";
import { Fleet } from "./fleet";
import { enlarged, type View } from "./view";

const LONG_M = 4.6;
const WIDE_M = 2;
const LONG_PX = 5; // at least so long and wide on the screen
const WIDE_PX = 2.6;

export class VehicleLayer {
  readonly element = h("canvas", { class: "vehicles", "aria-hidden": "true" });
  colour = "#000";
  private readonly fleet = new Fleet();
  private readonly pen: CanvasRenderingContext2D | null;
  private readonly still = matchMedia("(prefers-reduced-motion: reduce)");
  private frame = 0;

  /** `view` is asked anew for each frame. */
  constructor(private readonly view: () => View) {
    this.pen = this.element.getContext("2d");
  }

  take(report: Vehicles | null): void {
    this.fleet.take(report, performance.now());
    if (this.still.matches) this.fleet.settle();
    this.ask();
  }

  resize(width: number, height: number): void {
    const ratio = devicePixelRatio;
    Object.assign(this.element, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    this.ask();
  }

  /** Draw in the next frame. */
  ask(): void {
    if (this.frame === 0) this.frame = requestAnimationFrame((now) => this.draw(now));
  }

  dispose(): void {
    cancelAnimationFrame(this.frame);
    this.element.remove();
  }

  private draw(now: number): void {
    this.frame = 0;
    const { pen, element, fleet } = this;
    if (!pen) return;
    const gliding = fleet.at(Math.max(now, performance.now() - 50));
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, element.width, element.height);
    pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    pen.fillStyle = this.colour;
    pen.beginPath();
    this.outline(pen, this.view());
    pen.fill();
    if (gliding) this.ask();
  }

  /** The outlines of all vehicles on the screen, each with its nose ahead. */
  private outline(path: CanvasRenderingContext2D, { scale, left, top, width, height }: View): void {
    const { x: xs, y: ys, heading, count } = this.fleet;
    const larger = enlarged(width);
    const long = Math.max(LONG_PX * larger, LONG_M * scale);
    const half = Math.max(WIDE_PX * larger, WIDE_M * scale) / 2;
    for (let row = 0; row < count; row++) {
      const x = left + (xs[row] ?? 0) * scale;
      const y = top - (ys[row] ?? 0) * scale;
      if (x < -long || y < -long || x > width + long || y > height + long) continue;
      const cos = Math.cos(heading[row] ?? 0);
      const sin = Math.sin(heading[row] ?? 0);
      // SUMO tells of the middle of the front bumper; y grows downwards on the screen.
      const [sx, sy] = [-sin * half, -cos * half];
      const [neckX, neckY] = [x - cos * long * 0.3, y + sin * long * 0.3];
      const [tailX, tailY] = [x - cos * long, y + sin * long];
      path.moveTo(x + sx * 0.4, y + sy * 0.4);
      path.lineTo(neckX + sx, neckY + sy);
      path.lineTo(tailX + sx, tailY + sy);
      path.lineTo(tailX - sx, tailY - sy);
      path.lineTo(neckX - sx, neckY - sy);
      path.lineTo(x - sx * 0.4, y - sy * 0.4);
    }
  }
}
