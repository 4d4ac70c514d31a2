// Shortcuts of one key. They can be switched off (WCAG 2.1.4), never act while somebody types or a
// dialog is open, and a row of a list may have its own (see DataTable).

import { h } from "../dom";
import type { Dispose } from "../context";
import type { Speech } from "../words";
import { PAGES } from "./routes";

const KEY = "cityloop.shortcuts";
const WAIT_MS = 1500;

export function shortcutsOn(): boolean {
  return localStorage.getItem(KEY) !== "off";
}

/** Whether a key means a shortcut now: not in a field, not in a dialog, not with a modifier. */
export function isShortcut(event: KeyboardEvent): boolean {
  const target = event.target instanceof Element ? event.target : document.body;
  const typing = target.closest("input:not([type=checkbox]), textarea, select, dialog");
  return shortcutsOn() && !typing && !event.ctrlKey && !event.metaKey && !event.altKey && !event.defaultPrevented;
}

/** Listens for the shortcuts that hold everywhere: `?`, `/`, and `g` followed by a page's letter. */
export function listen(speech: Speech): Dispose {
  let goUntil = 0;
  const heard = (event: KeyboardEvent) => {
    if (!isShortcut(event)) return;
    const going = performance.now() < goUntil;
    goUntil = 0;
    const page = PAGES.find((one) => one.key === event.key);
    if (going && page) location.hash = `#/${page.path}`;
    else if (event.key === "g") goUntil = performance.now() + WAIT_MS;
    else if (event.key === "?") showShortcuts(speech);
    else if (event.key === "/") document.querySelector<HTMLElement>("main [data-filter]:not([hidden])")?.focus();
    else return;
    event.preventDefault();
  };
  document.addEventListener("keydown", heard);
  return () => document.removeEventListener("keydown", heard);
}

export function showShortcuts(speech: Speech): void {
  const { words } = speech;
  const help = words.shortcutHelp;
  const groups: [string, [string, string][]][] = [
    [
      words.shortcutGroups.everywhere,
      [
        ["?", help.help],
        ["/", help.search],
        ["Tab", help.tab],
        ["← ↑ → ↓", help.arrows],
        ["Enter", help.enter],
        ["Escape", help.escape],
      ],
    ],
    [words.shortcutGroups.pages, PAGES.map((page) => [`g ${page.key}`, help.go(words.pages[page.name])])],
    [
      words.shortcutGroups.alarms,
      [
        ["a", help.acknowledge],
        ["s", help.shelve],
        ["e", help.escalate],
      ],
    ],
  ];
  const box = h("input", { type: "checkbox", checked: shortcutsOn() });
  box.addEventListener("change", () => localStorage.setItem(KEY, box.checked ? "on" : "off"));
  const close = h("button", { type: "submit", class: "strong" }, words.done);
  const form = h(
    "form",
    { method: "dialog" },
    h("h2", {}, words.shortcutsTitle),
    h("div", { class: "keys" }, ...groups.map(([title, keys]) => keyTable(title, keys, words.key))),
    h("label", { class: "check" }, box, h("span", {}, words.shortcutsOn, h("small", {}, words.shortcutsNote))),
    h("div", { class: "buttons" }, close),
  );
  const dialog = h("dialog", { class: "wide", "aria-label": words.shortcutsTitle }, form);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  close.focus();
}

function keyTable(title: string, keys: [string, string][], head: string): HTMLElement {
  const rows = keys.map(([key, does]) =>
    h("tr", {}, h("th", { scope: "row" }, ...key.split(" ").map((one) => h("kbd", {}, one))), h("td", {}, does)),
  );
  return h("table", { "aria-label": `${title}: ${head}` }, h("caption", {}, title), h("tbody", {}, ...rows));
}
