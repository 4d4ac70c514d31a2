// The frame of the operations centre: status, pages at the left, one page, counters below. It is put
// together once per language. The page of the city stays when another is shown: its map is dear.

import { CounterLine } from "../city/counters";
import type { Context, Dispose } from "../context";
import { Notices } from "../dialog";
import { h } from "../dom";
import { shortNames } from "../names";
import { CityPage } from "../pages/city";
import { openPage } from "../pages/open";
import type { Page } from "../pages/page";
import type { Store } from "../store";
import type { Language, Speech } from "../words";
import { keepAlarms } from "./alarms";
import { Banner } from "./banner";
import { listen } from "./keys";
import { Nav } from "./nav";
import { personName } from "./person";
import { type Address, junctionAddress, type PageName, readAddress } from "./routes";
import { StatusLine } from "./status";
import { onTheme, theme } from "./theme";

export class Desk {
  readonly element: HTMLElement;
  private readonly context: Context;
  private readonly parts: { show(): void }[];
  private readonly nav: Nav;
  private readonly counters: CounterLine;
  private readonly place = h("main", { id: "main", tabindex: -1 });
  private readonly city: CityPage;
  private readonly notices: Notices;
  private readonly stops: Dispose[] = [];
  private page: Page;
  private name: PageName | null | undefined;

  constructor(
    private readonly store: Store,
    private readonly speech: Speech,
    switchLanguage: (to: Language) => void,
  ) {
    this.notices = new Notices(speech);
    this.context = this.makeContext();
    const status = new StatusLine(this.context, switchLanguage);
    const banner = new Banner(store, speech);
    this.nav = new Nav(store, speech);
    this.counters = new CounterLine(speech);
    this.parts = [status, banner, this.nav];
    this.city = new CityPage(this.context);
    this.page = this.city;
    const skip = h("a", { class: "skip", href: "#main" }, speech.words.skip);
    skip.addEventListener("click", (event) => {
      event.preventDefault(); // the part after `#` is the page's address
      this.place.focus();
    });
    this.element = h(
      "div",
      { class: "desk" },
      skip,
      status.element,
      banner.element,
      this.nav.element,
      this.place,
      this.counters.element,
      this.notices.element,
    );
    const moved = () => this.follow();
    addEventListener("hashchange", moved);
    this.stops.push(keepAlarms(store), () => removeEventListener("hashchange", moved), listen(speech), store.watch(() => this.show()));
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.store.chosen !== null) this.context.choose(null);
    });
  }

  /** Show the page of the address; the desk stands in the document by now, so that a map has a size. */
  open(): void {
    this.follow();
  }

  show(): void {
    for (const part of this.parts) part.show();
    this.element.dataset.freshness = this.store.freshness();
    this.page.show?.();
    const { state } = this.store;
    if (state) this.counters.show(state.counters);
  }

  dispose(): void {
    for (const stop of this.stops) stop();
    if (this.page !== this.city) this.page.dispose?.();
    this.city.dispose();
  }

  private makeContext(): Context {
    const { store, speech, notices } = this;
    return {
      store,
      speech,
      names: shortNames(store.map.junctions),
      command: notices.command,
      choose: (id) => {
        location.hash = id === null ? "#/" : junctionAddress(id);
      },
      operator: personName,
      theme,
      onTheme: (changed) => {
        const stop = onTheme(changed);
        this.stops.push(stop);
        return stop;
      },
      onChange: (changed) => this.city.watch(changed),
    };
  }

  /** Show the page that the address asks for. */
  private follow(): void {
    const address = readAddress(location.hash);
    const { page, junction } = address;
    this.store.chosen = junction;
    // Another subject or question is another page; the city's stays, for its map is dear.
    if (page !== "city" || this.name !== "city") this.turn(page, address);
    if (page === "city") this.city.choose(junction);
    this.show();
  }

  private turn(name: PageName | null, address: Address): void {
    const first = this.name === undefined;
    if (this.page !== this.city) {
      this.page.dispose?.();
      this.page.element.remove();
    }
    this.name = name;
    this.page = name === "city" ? this.city : openPage(name, this.context, address);
    this.city.element.hidden = this.page !== this.city;
    if (!this.page.element.isConnected) this.place.append(this.page.element);
    if (!this.city.element.isConnected) this.place.prepend(this.city.element);
    this.place.dataset.page = name ?? "none";
    this.nav.mark(name);
    const { words } = this.speech;
    document.title = [name && name !== "city" ? words.pages[name] : "", this.store.map.city, "cityloop"]
      .filter(Boolean)
      .join(" · ");
    if (first) return;
    scrollTo(0, 0);
    (this.page.element.querySelector<HTMLElement>("h2[tabindex]") ?? this.place).focus({ preventScroll: true });
  }
}
