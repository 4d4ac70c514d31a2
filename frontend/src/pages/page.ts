// What a page is to the frame that shows it.

import type { Context } from "../context";
import { h } from "../dom";
import type { Address } from "../shell/routes";

export interface Page {
  readonly element: HTMLElement;
  /** Called after each piece of news while the page is shown, at most once a frame. */
  show?(): void;
  /** The page goes: stop what it started. */
  dispose?(): void;
}

export type OpenPage = (context: Context, address: Address) => Page;

/** The heading of a page; `acts` stand at its end. */
export function pageHead(title: string, help: string, ...acts: Node[]): HTMLElement {
  const heading = h("h2", { tabindex: -1 }, title);
  const side = h("div", { class: "acts" }, ...acts);
  return h("div", { class: "page-head" }, h("div", {}, heading, h("p", { class: "help" }, help)), side);
}
