// Day or night: what the person chose on this screen, else what the system asks for. The choice
// stands on <html data-theme>, so that styles, charts and the map read one place.

import type { Dispose, Theme } from "../context";

const KEY = "cityloop.theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const watchers = new Set<() => void>();

export function theme(): Theme {
  return document.documentElement.dataset.theme === "dark" ? "dark" : "light";
}

export function chooseTheme(chosen: Theme): void {
  localStorage.setItem(KEY, chosen);
  apply();
}

/** Calls `changed` whenever the theme does. */
export function onTheme(changed: () => void): Dispose {
  watchers.add(changed);
  return () => watchers.delete(changed);
}

export function followTheme(): void {
  system.addEventListener("change", apply);
  apply();
}

function apply(): void {
  const chosen = localStorage.getItem(KEY) ?? (system.matches ? "dark" : "light");
  if (document.documentElement.dataset.theme === chosen) return;
  document.documentElement.dataset.theme = chosen;
  for (const watcher of watchers) watcher();
}
