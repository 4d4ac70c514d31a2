// Which page stands behind which name.

import type { Context } from "../context";
import { h } from "../dom";
import type { PageName } from "../shell/routes";
import { type OpenPage, type Page, pageHead } from "./page";

const PAGES: Partial<Record<PageName, OpenPage>> = {};

export function openPage(name: PageName | null, context: Context): Page {
  const open = name === null ? undefined : PAGES[name];
  return open ? open(context) : nowhere(context);
}

function nowhere({ speech: { words } }: Context): Page {
  const link = h("a", { href: "#/" }, words.toCity);
  return { element: h("section", { class: "page" }, pageHead(words.noPage, words.noPageAdvice), h("p", {}, link)) };
}
