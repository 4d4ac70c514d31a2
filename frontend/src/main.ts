// Reads what does not change of the city, then puts the desk together, once per language.

import { readMap, readState, readTrend } from "./api";
import { ApiError } from "./client";
import { failure } from "./parts/failure";
import { button, h } from "./dom";
import { Desk } from "./shell/desk";
import { followTheme } from "./shell/theme";
import { Store } from "./store";
import { follow } from "./stream";
import { type Language, rememberedLanguage, rememberLanguage, Speech } from "./words";

const page = document.body.querySelector<HTMLElement>("#page") ?? document.body;

function present(store: Store, language: Language): void {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  const desk = new Desk(store, new Speech(language, store.map.time_zone), (to) => {
    rememberLanguage(to);
    desk.dispose();
    present(store, to);
    page.querySelector<HTMLElement>("[data-control=language]")?.focus();
  });
  page.replaceChildren(desk.element);
  desk.open();
}

async function start(): Promise<void> {
  const language = rememberedLanguage();
  const { words } = new Speech(language, "UTC");
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  page.replaceChildren(h("p", { class: "whole", role: "status" }, words.loading));
  try {
    const [map, trend, state] = await Promise.all([readMap(), readTrend(), readState()]);
    const store = new Store(map, trend);
    store.connected = true;
    store.take(state);
    present(store, language);
    follow(store);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const again = button(words.again, start, { class: "strong" });
    const [what, advice] = failure(error, words);
    const text = h("p", {}, h("strong", {}, what), " ", advice);
    page.replaceChildren(h("div", { class: "whole", role: "alert" }, text, again));
  }
}

followTheme();
void start();
