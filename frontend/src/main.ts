// Puts the page together, once per language, and redraws it at most once per animation frame.

import { ApiError, readMap, readTrend } from "./api";
import { CounterLine } from "./counters";
import { Notices } from "./dialog";
import { button, h } from "./dom";
import { Feed } from "./feed";
import { JunctionPanel } from "./junction/panel";
import { Advice, Loops } from "./loops";
import { CityMap } from "./map/map";
import { shortNames } from "./names";
import { MeasureStrip } from "./measures";
import { Banner, StatusLine } from "./status";
import { Store } from "./store";
import { follow } from "./stream";
import { type Language, rememberedLanguage, rememberLanguage, Speech } from "./words";

const page = document.body.querySelector<HTMLElement>("#page") ?? document.body;
let language: Language = rememberedLanguage();
let timeZone = "UTC";

class Page {
  readonly element: HTMLElement;
  private readonly parts: { show(): void }[];
  private readonly map: CityMap;
  private readonly counters: CounterLine;
  private readonly side: HTMLElement;
  private readonly notices: Notices;
  private panel: JunctionPanel | null = null;

  constructor(
    private readonly store: Store,
    private readonly speech: Speech,
    switchLanguage: () => void,
  ) {
    const names = shortNames(store.map.junctions);
    this.notices = new Notices(speech);
    const { command } = this.notices;
    const status = new StatusLine(store, speech, command, switchLanguage);
    const banner = new Banner(store, speech);
    const measures = new MeasureStrip(store, speech);
    const loops = new Loops(store, speech, command);
    const advice = new Advice(store, speech, names, command);
    const feed = new Feed(store, speech, names, (junction) => this.choose([...names.keys()].indexOf(junction)));
    this.map = new CityMap(store.map, speech, names, (row) => this.choose(row));
    this.counters = new CounterLine(speech);
    this.parts = [status, banner, measures, loops, advice, feed];
    this.side = h("div", { class: "side" }, loops.element, advice.element, feed.element);
    this.element = h(
      "div",
      { class: "city" },
      status.element,
      banner.element,
      h("main", {}, measures.element, this.map.element, this.side),
      this.counters.element,
      this.notices.element,
    );
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.panel) this.close();
    });
  }

  show(): void {
    for (const part of this.parts) part.show();
    this.panel?.show();
    const { state } = this.store;
    this.element.dataset.freshness = this.store.freshness();
    if (!state) return;
    this.map.show(state);
    this.counters.show(state.counters);
  }

  private choose(row: number): void {
    this.panel?.element.remove();
    this.panel = new JunctionPanel(this.store, this.speech, row, this.notices.command, () => this.close());
    this.map.mark(row);
    this.side.prepend(this.panel.element);
    this.panel.show();
    this.panel.element.focus({ preventScroll: true });
    this.panel.element.scrollIntoView({ block: "nearest" });
  }

  private close(): void {
    this.panel?.element.remove();
    this.panel = null;
    this.map.focus();
    this.map.mark(-1);
  }
}

function mount(store: Store): void {
  let shown = present(store);
  function present(of: Store): Page {
    const next = new Page(of, new Speech(language, timeZone), () => {
      language = language === "zh" ? "en" : "zh";
      rememberLanguage(language);
      shown = present(of);
      page.querySelector<HTMLElement>("header > button:last-child")?.focus();
    });
    document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
    page.replaceChildren(next.element);
    next.show();
    return next;
  }
  store.watch(() => shown.show());
  follow(store);
}

async function start(): Promise<void> {
  const { words } = new Speech(language, timeZone);
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  page.replaceChildren(h("p", { class: "whole", role: "status" }, words.loading));
  try {
    const [map, trend] = await Promise.all([readMap(), readTrend()]);
    timeZone = map.time_zone;
    document.title = `${map.city} · cityloop`;
    mount(new Store(map, trend));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const again = button(words.again, start, { class: "strong" });
    const text = h("p", {}, h("strong", {}, error.message || words.failed), " ", error.advice || words.failedAdvice);
    page.replaceChildren(h("div", { class: "whole", role: "alert" }, text, again));
  }
}

void start();
