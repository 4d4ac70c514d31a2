// Puts the time slider into the element that the shell gives.

import type { Context, Dispose } from "../context";
import "./replay.css";
import { TimeSlider } from "./slider";

export function mountTimeSlider(element: HTMLElement, context: Context): Dispose {
  const slider = new TimeSlider(context);
  element.replaceChildren(slider.element);
  const stop = context.onChange(() => slider.show());
  return () => {
    stop();
    slider.dispose();
  };
}
