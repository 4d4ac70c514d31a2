// Between instants and what a clock on the wall shows in a zone, for fields of date and time.

/** "2018-04-16T10:25:30" as it stands on the wall in `zone` at an instant. */
export function localOf(iso: string, zone: string): string {
  return wall(Date.parse(iso), zone);
}

/** The instant, as ISO 8601 in UTC, at which clocks in `zone` show `local`.
 *
 * Of an hour that comes twice the first is meant; in an hour that is missing the clock's hands are
 * taken as they stood before it, so 02:30 means 30 minutes after the change. */
export function instantOf(local: string, zone: string): string {
  const wanted = Date.parse(`${local}Z`);
  const offsets = [-86_400_000, 86_400_000].map((ms) => offsetMs(wanted + ms, zone));
  const candidates = offsets.map((offset) => wanted - offset).sort((a, b) => a - b);
  const hit = candidates.find((instant) => Date.parse(`${wall(instant, zone)}Z`) === wanted);
  return new Date(hit ?? wanted - (offsets[0] ?? 0)).toISOString();
}

function offsetMs(instant: number, zone: string): number {
  return Date.parse(`${wall(instant, zone)}Z`) - instant;
}

function wall(instant: number, zone: string): string {
  const parts = new Intl.DateTimeFormat("en-CA", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  }).formatToParts(new Date(instant));
  const part = (type: string) => parts.find((one) => one.type === type)?.value ?? "";
  return `${part("year")}-${part("month")}-${part("day")}T${part("hour")}:${part("minute")}:${part("second")}`;
}
