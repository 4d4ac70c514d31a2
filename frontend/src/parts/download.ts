// Taking things away: a table as CSV from this page, a chart as a picture, or a table from the server.

import { button, h } from "../dom";
import type { Speech } from "../words";

type Value = string | number | null;

export function save(blob: Blob, name: string): void {
  const address = URL.createObjectURL(blob);
  const link = h("a", { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** RFC 4180 with a byte-order mark, so that spreadsheets read it as UTF-8. */
export function writeCsv(rows: Value[][]): Blob {
  const lines = rows.map((row) => row.map(field).join(","));
  return new Blob(["\ufeff", lines.join("\r\n"), "\r\n"], { type: "text/csv;charset=utf-8" });
}

export function csvButton(speech: Speech, name: string, rows: () => Value[][]): HTMLButtonElement {
  return button("CSV", () => save(writeCsv(rows()), `${name}.csv`), { "aria-label": `${speech.words.download} CSV: ${name}` });
}

/** Links to a table that the server writes out in full. */
export function exportLinks(speech: Speech, table: string, query = ""): HTMLElement[] {
  return ["csv", "xlsx"].map((kind) =>
    h(
      "a",
      {
        class: "download",
        href: `/api/export/${table}.${kind}${query}`,
        download: `${table}.${kind}`,
        "aria-label": `${speech.words.download} ${kind.toUpperCase()}: ${table}`,
      },
      kind.toUpperCase(),
    ),
  );
}

/** What a spreadsheet would take for a formula is kept as text. */
function field(value: Value): string {
  const text = value === null ? "" : String(value);
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
