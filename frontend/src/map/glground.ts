// The ground drawn by MapLibre GL: no tiles, fonts or sprites, only what the city itself told.

import {
  type ExpressionSpecification,
  type GeoJSONSourceSpecification,
  LngLat,
  Map as GlMap,
  setWorkerUrl,
  type StyleSpecification,
} from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";

import type { MapData, Point } from "../shapes";
import type { Approach } from "./geometry";
import { type Camera, type Ground, type Levels, MARGIN_PX } from "./ground";
import type { Palette } from "./palette";
import { Plane } from "./plane";
import { type Box, enlarged, fitted, place, type View } from "./view";

setWorkerUrl(workerUrl); // from our own origin: the content security policy lets no blob run

const LANE_M = 3.2;
const DEEP = 6; // zoom steps from the whole network to true widths
const NEAREST_PX_PER_M = 24;
const QUEUE_PX = [2, 4, 6, 7.5, 9];
const TILE_ZOOM = 14; // a quarter of a metre exact; deeper zooms draw the same tiles larger
const LEVEL: ExpressionSpecification = ["coalesce", ["feature-state", "level"], 0];

export class GlGround implements Ground {
  readonly element = document.createElement("div");
  view: View;
  readonly camera: Camera;
  private readonly gl: GlMap;
  private readonly plane: Plane;
  private readonly shown: Levels;

  /** Throws where the browser has no WebGL 2. `moved` is called whenever `view` changed. */
  constructor(
    map: MapData,
    approaches: Approach[],
    private readonly box: Box,
    start: View,
    palette: Palette,
    private readonly moved: () => void,
  ) {
    this.view = start;
    this.plane = new Plane(map.anchor.lat, map.anchor.lon);
    this.shown = { queue: new Uint8Array(approaches.length), speed: new Uint8Array(map.roads.length) };
    this.element.className = "gl";
    this.element.style.width = `${start.width}px`;
    this.element.style.height = `${start.height}px`;
    this.gl = new GlMap({
      container: this.element,
      style: this.style(map, approaches, palette, start),
      center: this.centre(start),
      zoom: this.plane.zoom(start.scale),
      minZoom: this.plane.zoom(start.scale) - 2,
      maxZoom: this.plane.zoom(NEAREST_PX_PER_M),
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      renderWorldCopies: false,
      fadeDuration: 0,
      trackResize: false,
      keyboard: false,
    });
    this.gl.touchZoomRotate.disableRotation();
    this.gl.on("move", () => this.look());
    this.camera = this.newCamera();
  }

  /** Resolves when everything is on the canvas for the first time. */
  async ready(): Promise<void> {
    await this.gl.once("idle");
  }

  show({ queue, speed }: Levels): void {
    this.mark("queues", this.shown.queue, queue);
    this.mark("roads", this.shown.speed, speed);
  }

  dress(palette: Palette): void {
    this.gl.setPaintProperty("paper", "background-color", palette.paper);
    this.gl.setPaintProperty("casings", "line-color", palette.casing);
    this.gl.setPaintProperty("roads", "line-color", byLevel(palette.speed));
    this.gl.setPaintProperty("queues", "line-color", byLevel(palette.queue));
  }

  resize(width: number, height: number): void {
    const whole = Math.abs(this.view.scale / this.home().scale - 1) < 0.01;
    this.element.style.width = `${width}px`;
    this.element.style.height = `${height}px`;
    this.gl.resize();
    this.view = { ...this.view, width, height };
    this.gl.setMinZoom(this.plane.zoom(this.home().scale) - 2);
    if (whole) this.go(this.home(), false);
    else this.look();
  }

  /** Whether one finger and the bare wheel belong to the page around the map. */
  yieldGestures(yields: boolean): void {
    if (yields) this.gl.cooperativeGestures.enable();
    else this.gl.cooperativeGestures.disable();
  }

  dispose(): void {
    this.gl.remove();
    this.element.remove();
  }

  private newCamera(): Camera {
    return {
      zoom: (steps, around) => {
        this.gl.zoomTo(this.gl.getZoom() + steps, { around: new LngLat(...this.plane.toLngLat(around)) });
      },
      home: () => this.go(this.home(), true),
      reveal: (at) => this.reveal(at),
    };
  }

  private mark(source: string, shown: Uint8Array, levels: Uint8Array): void {
    levels.forEach((level, id) => {
      if (shown[id] === level) return;
      shown[id] = level;
      this.gl.setFeatureState({ source, id }, { level });
    });
  }

  private reveal(at: Point): void {
    const [x, y] = place(this.view, at);
    const { width, height } = this.view;
    const inside = x > MARGIN_PX && y > MARGIN_PX && x < width - MARGIN_PX && y < height - MARGIN_PX;
    if (!inside) this.gl.panTo(this.plane.toLngLat(at));
  }

  private home(): View {
    return fitted(this.box, this.view.width, this.view.height, MARGIN_PX);
  }

  private go(view: View, slowly: boolean): void {
    const target = { center: this.centre(view), zoom: this.plane.zoom(view.scale) };
    if (slowly) this.gl.easeTo(target);
    else this.gl.jumpTo(target);
  }

  private centre({ scale, left, top, width, height }: View): [number, number] {
    return this.plane.toLngLat([(width / 2 - left) / scale, (top - height / 2) / scale]);
  }

  private look(): void {
    const origin = this.gl.project(this.plane.toLngLat([0, 0]));
    const east = this.gl.project(this.plane.toLngLat([1000, 0]));
    const { width, height } = this.view;
    this.view = { scale: (east.x - origin.x) / 1000, left: origin.x, top: origin.y, width, height };
    this.moved();
  }

  private style(map: MapData, approaches: Approach[], palette: Palette, { scale, width }: View): StyleSpecification {
    const from = this.plane.zoom(scale);
    const larger = enlarged(width);
    return {
      version: 8,
      transition: { duration: 0, delay: 0 },
      sources: {
        roads: this.source(map.roads),
        queues: this.source(approaches),
      },
      layers: [
        { id: "paper", type: "background", paint: { "background-color": palette.paper } },
        {
          id: "casings",
          type: "line",
          source: "roads",
          layout: { "line-cap": "round", "line-join": "round" },
          paint: { "line-color": palette.casing, "line-width": roadWidth(from, scale, 7 * larger, 4) },
        },
        {
          id: "roads",
          type: "line",
          source: "roads",
          layout: { "line-cap": "round", "line-join": "round" },
          paint: { "line-color": byLevel(palette.speed), "line-width": roadWidth(from, scale, 5 * larger, 0) },
        },
        {
          id: "queues",
          type: "line",
          source: "queues",
          layout: { "line-join": "round" },
          paint: { "line-color": byLevel(palette.queue), "line-width": queueWidth(from, larger) },
        },
      ],
    };
  }

  private source(lines: { shape: Point[]; lanes: number }[]): GeoJSONSourceSpecification {
    const features = lines.map(({ shape, lanes }, id) => ({
      type: "Feature" as const,
      id,
      properties: { lanes },
      geometry: { type: "LineString" as const, coordinates: shape.map((point) => this.plane.toLngLat(point)) },
    }));
    return { type: "geojson", maxzoom: TILE_ZOOM, tolerance: 0.2, data: { type: "FeatureCollection", features } };
  }
}

function byLevel([first = "", ...rest]: string[]): ExpressionSpecification {
  const steps = rest.flatMap((colour, level) => [level + 1, colour]);
  return ["step", LEVEL, first, ...steps] as ExpressionSpecification;
}

/** A thin line from afar, the road's true width from near; `more` px are added at either. */
function roadWidth(from: number, scale: number, thinPx: number, more: number): ExpressionSpecification {
  const truePx: ExpressionSpecification = ["+", ["*", ["get", "lanes"], LANE_M * scale * 2 ** DEEP], more];
  return ["interpolate", ["exponential", 2], ["zoom"], from - 2, thinPx * 0.7, from, thinPx, from + DEEP, truePx];
}

function queueWidth(from: number, larger: number): ExpressionSpecification {
  const [least = 0, ...more] = QUEUE_PX.map((px) => px * larger);
  const steps = more.flatMap((px, level) => [level + 1, px]);
  const px = ["step", LEVEL, least, ...steps] as ExpressionSpecification;
  const near = ["*", px, 5] as ExpressionSpecification;
  return ["interpolate", ["exponential", 2], ["zoom"], from, px, from + DEEP, near];
}
