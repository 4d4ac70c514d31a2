// The network's metre plane on the globe. It is laid into the Mercator plane itself, scaled to true
// metres at the anchor, so that a straight line in metres is one on the screen and `View` is exact.

import type { Point } from "../shapes";

const EARTH_M = 2 * Math.PI * 6_378_137;

export class Plane {
  private readonly x0: number;
  private readonly y0: number;
  /** Shares of the Mercator square per metre. */
  private readonly unit: number;

  /** The plane's origin lies at `lat`, `lon` in degrees. */
  constructor(lat: number, lon: number) {
    const phi = (lat * Math.PI) / 180;
    this.x0 = lon / 360 + 0.5;
    this.y0 = 0.5 - Math.asinh(Math.tan(phi)) / (2 * Math.PI);
    this.unit = 1 / (EARTH_M * Math.cos(phi));
  }

  toLngLat([x, y]: Point): [number, number] {
    const mercator = (0.5 - (this.y0 - y * this.unit)) * 2 * Math.PI;
    return [(this.x0 + x * this.unit - 0.5) * 360, (Math.atan(Math.sinh(mercator)) * 180) / Math.PI];
  }

  toPlane([lon, lat]: readonly [number, number]): Point {
    const y = 0.5 - Math.asinh(Math.tan((lat * Math.PI) / 180)) / (2 * Math.PI);
    return [(lon / 360 + 0.5 - this.x0) / this.unit, (this.y0 - y) / this.unit];
  }

  /** MapLibre's zoom (tiles of 512 px) at which a metre is `scale` pixels. */
  zoom(scale: number): number {
    return Math.log2(scale / (512 * this.unit));
  }
}
