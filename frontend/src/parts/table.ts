// A table whose rows come and go under one's hands: a row is drawn again only where it changed, keeps
// its place in the document and the focus within it; arrows walk the rows; on a narrow screen each
// row becomes a card. Sorting is by a click on a heading.

import { button, h, setAttribute, setText } from "../dom";
import { isShortcut } from "../shell/keys";
import type { Speech } from "../words";

export interface Column<Row> {
  name: string;
  label: string;
  cell: (row: Row) => Node | string;
  numeric?: boolean;
  /** What the column sorts by; without it, it does not. */
  sort?: (row: Row) => number | string;
}

export interface TableOptions<Row> {
  label: string;
  columns: Column<Row>[];
  key: (row: Row) => string;
  /** What else than the row itself changes how it looks. */
  stamp?: (row: Row) => string;
  /** What is said where there is no row. */
  empty: string;
  /** Single keys on a focused row; with them the rows can be focused. */
  keys?: Record<string, (row: Row) => Promise<void> | void>;
  /** Written to the row as data-mark, for its style. */
  mark?: (row: Row) => string;
}

interface Drawn {
  element: HTMLTableRowElement;
  stamp: string;
}

export class DataTable<Row> {
  readonly element: HTMLElement;
  private readonly body = h("tbody", { role: "rowgroup" });
  private readonly empty: HTMLElement;
  private readonly drawn = new Map<string, Drawn>();
  private readonly heads: HTMLTableCellElement[];
  private rows: Row[] = [];
  private byKey = new Map<string, Row>();
  private order: { column: number; down: boolean } | null = null;

  constructor(
    private readonly speech: Speech,
    private readonly options: TableOptions<Row>,
  ) {
    this.heads = options.columns.map((column, at) => this.head(column, at));
    this.empty = h("p", { class: "empty" }, options.empty);
    const table = h(
      "table",
      { class: "data", role: "table", "aria-label": options.label },
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...this.heads)),
      this.body,
    );
    this.element = h("div", { class: "data-frame", role: "group", tabindex: 0, "aria-label": options.label }, table, this.empty);
    if (options.keys) this.body.addEventListener("keydown", (event) => this.pressed(event));
  }

  /** `none` is said instead of the table's own word where there is no row. */
  show(rows: Row[], none = this.options.empty): void {
    this.rows = rows;
    this.byKey = new Map(rows.map((row) => [this.options.key(row), row]));
    setText(this.empty, none);
    this.draw();
  }

  private draw(): void {
    const rows = this.sorted();
    this.empty.hidden = rows.length > 0;
    for (const [key, one] of this.drawn) {
      if (this.byKey.has(key)) continue;
      one.element.remove();
      this.drawn.delete(key);
    }
    let before: Element | null = this.body.firstElementChild;
    for (const row of rows) {
      const { element } = this.drawRow(row);
      if (element === before) before = before.nextElementSibling;
      else this.body.insertBefore(element, before);
    }
    this.rove();
  }

  private drawRow(row: Row): Drawn {
    const key = this.options.key(row);
    const stamp = JSON.stringify(row) + (this.options.stamp?.(row) ?? "");
    let one = this.drawn.get(key);
    if (one?.stamp === stamp) return one;
    if (!one) {
      one = { element: h("tr", { role: "row", "data-key": key }), stamp };
      this.drawn.set(key, one);
    }
    one.stamp = stamp;
    if (this.options.mark) setAttribute(one.element, "data-mark", this.options.mark(row));
    const focused = one.element.contains(document.activeElement) ? document.activeElement : null;
    const act = focused?.getAttribute("data-act");
    one.element.replaceChildren(...this.options.columns.map((column, at) => cell(column, row, at)));
    if (act) one.element.querySelector<HTMLElement>(`[data-act="${act}"]`)?.focus();
    return one;
  }

  private sorted(): Row[] {
    const by = this.order && this.options.columns[this.order.column]?.sort;
    if (!this.order || !by) return this.rows;
    const sign = this.order.down ? -1 : 1;
    return this.rows.toSorted((a, b) => sign * compare(by(a), by(b)));
  }

  private head(column: Column<Row>, at: number): HTMLTableCellElement {
    const attributes = { role: "columnheader", scope: "col", class: column.numeric ? "numeric" : "" };
    if (!column.sort) return h("th", attributes, column.label);
    const press = () => {
      this.order = { column: at, down: this.order?.column === at && !this.order.down };
      this.heads.forEach((head, one) => {
        if (one === at) head.setAttribute("aria-sort", this.order?.down ? "descending" : "ascending");
        else head.removeAttribute("aria-sort");
      });
      this.draw();
    };
    const title = this.speech.words.sortBy(column.label);
    return h("th", attributes, button(column.label, press, { class: "sort", title }));
  }

  /** One row can be reached by Tab: the one that was focused last, else the first. */
  private rove(): void {
    if (!this.options.keys) return;
    const rows = [...this.body.rows];
    const current = rows.find((row) => row.tabIndex === 0) ?? rows[0];
    for (const row of rows) setAttribute(row, "tabindex", row === current ? 0 : -1);
  }

  private pressed(event: KeyboardEvent): void {
    const row = event.target instanceof HTMLTableRowElement ? event.target : null;
    if (!row) return;
    const step = event.key === "ArrowDown" ? "nextElementSibling" : event.key === "ArrowUp" ? "previousElementSibling" : null;
    if (step) this.focus(row, row[step]);
    else if (event.key === "Enter" || isShortcut(event)) {
      const act = this.options.keys?.[event.key];
      const data = this.byKey.get(row.dataset.key ?? "");
      if (!act || data === undefined) return;
      void act(data);
    } else return;
    event.preventDefault();
  }

  private focus(from: HTMLTableRowElement, to: Element | null): void {
    if (!(to instanceof HTMLTableRowElement)) return;
    from.tabIndex = -1;
    to.tabIndex = 0;
    to.focus();
  }
}

function cell<Row>(column: Column<Row>, row: Row, at: number): HTMLTableCellElement {
  const attributes = { "data-column": column.name, "data-label": column.label, class: column.numeric ? "numeric" : "" };
  const content = column.cell(row);
  return at === 0
    ? h("th", { ...attributes, role: "rowheader", scope: "row" }, content)
    : h("td", { ...attributes, role: "cell" }, content);
}

function compare(a: number | string, b: number | string): number {
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
}
