// The pages at the left, with what is open on them.

import { h, setAttribute, setText } from "../dom";
import type { Store } from "../store";
import type { Speech } from "../words";
import { type PageEntry, type PageName, pagesOf } from "./routes";

export class Nav {
  readonly element: HTMLElement;
  private readonly links = new Map<PageName, HTMLAnchorElement>();
  private readonly badge = h("span", { class: "badge", hidden: true });

  constructor(
    private readonly store: Store,
    private readonly speech: Speech,
  ) {
    const { words } = speech;
    const group = (name: PageEntry["group"]) => {
      const items = pagesOf(store.map).filter((page) => page.group === name).map((page) => h("li", {}, this.link(page)));
      return h("ul", { "aria-label": words.navigationGroups[name] }, ...items);
    };
    this.element = h("nav", { class: "pages", "aria-label": words.navigation }, group("watch"), group("manage"));
    this.links.get("alarms")?.append(this.badge);
  }

  /** Marks the page that is shown. */
  mark(page: PageName | null): void {
    for (const [name, link] of this.links) {
      if (name === page) {
        link.setAttribute("aria-current", "page");
        link.scrollIntoView({ block: "nearest", inline: "nearest" });
      } else link.removeAttribute("aria-current");
    }
  }

  show(): void {
    const open = [...this.store.alarms.values()].filter((alarm) => alarm.state === "unacknowledged");
    this.badge.hidden = open.length === 0;
    setText(this.badge, String(open.length));
    setAttribute(this.badge, "aria-label", this.speech.words.open(open.length));
    setAttribute(this.badge, "role", "img");
    const urgent = open.some((alarm) => alarm.severity === "critical" || alarm.severity === "high");
    setAttribute(this.badge, "data-severity", urgent ? "high" : "medium");
  }

  private link(page: PageEntry): HTMLAnchorElement {
    const link = h("a", { href: `#/${page.path}` }, this.speech.words.pages[page.name]);
    this.links.set(page.name, link);
    return link;
  }
}
