// Puts the time slider into the element that the shell gives.

import type { Context, Dispose } from "../context";

export function mountTimeSlider(element: HTMLElement, context: Context): Dispose {
  const stop = context.onChange(() => {
    element.dataset.replay = String(context.store.replay !== null);
  });
  return stop;
}
