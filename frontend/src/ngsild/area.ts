// An area on the map as a person writes it, west, south, east, north in degrees, and as a geo-query
// (GS CIM 009, 4.10) asks for it.

export interface Area {
  west: number;
  south: number;
  east: number;
  north: number;
}

/** null for what is no area: not four numbers, not on Earth, or turned around. */
export function readArea(written: string): Area | null {
  const parts = written.split(/[\s,;]+/).filter(Boolean);
  const [west, south, east, north] = parts.map(Number);
  if (parts.length !== 4 || west === undefined || south === undefined || east === undefined || north === undefined) return null;
  const onEarth = west >= -180 && east <= 180 && south >= -90 && north <= 90;
  return onEarth && west < east && south < north ? { west, south, east, north } : null;
}

/** Five decimals are a metre. */
export function writeArea({ west, south, east, north }: Area): string {
  return [west, south, east, north].map((degrees) => String(Number(degrees.toFixed(5)))).join(", ");
}

/** The area that two corners span, each as longitude, latitude. */
export function spanned(a: readonly [number, number], b: readonly [number, number]): Area {
  return { west: Math.min(a[0], b[0]), east: Math.max(a[0], b[0]), south: Math.min(a[1], b[1]), north: Math.max(a[1], b[1]) };
}

/** Asks for what lies in the area or reaches into it. */
export function geoQuery(area: Area | null) {
  if (area === null) return {};
  return { georel: "intersects", geometry: "Polygon" as const, coordinates: JSON.stringify([ring(area)]) };
}

export function ring({ west, south, east, north }: Area): [number, number][] {
  return [
    [west, south],
    [east, south],
    [east, north],
    [west, north],
    [west, south],
  ];
}
