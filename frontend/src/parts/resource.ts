// Something read from the city again and again while its page is shown, and the line that says how
// that stands: reading, refused or failed with what to do, or how old the last answer is.

import { ApiError } from "../client";
import { button, h, setText } from "../dom";
import { failure } from "./failure";
import type { Speech } from "../words";

export class Resource<T> {
  /** The last answer; null before the first. */
  value: T | null = null;
  readonly element: HTMLElement;
  private readonly text = h("p", { role: "status" });
  private readonly again: HTMLButtonElement;
  private error: ApiError | null = null;
  private readAt = 0;
  private timer = 0;
  private round = 0;

  constructor(
    private readonly speech: Speech,
    private readonly load: () => Promise<T>,
    private readonly changed: (value: T) => void,
    private readonly everyMs = 5000,
  ) {
    this.again = button(speech.words.again, () => this.renew());
    this.element = h("div", { class: "resource" }, this.text, this.again);
    this.draw();
    void this.renew();
  }

  /** Read now; a round that was overtaken by a later one changes nothing. */
  async renew(): Promise<void> {
    const round = ++this.round;
    clearTimeout(this.timer);
    try {
      const value = await this.load();
      if (round !== this.round) return;
      this.error = null;
      this.value = value;
      this.readAt = performance.now();
      this.changed(value);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (round !== this.round) return;
      this.error = error;
    }
    this.draw();
    this.timer = setTimeout(() => void this.renew(), this.everyMs);
  }

  /** Read something else from now on: what was read before tells nothing of it. */
  async restart(): Promise<void> {
    this.value = null;
    this.error = null;
    this.draw();
    await this.renew();
  }

  dispose(): void {
    this.round++;
    clearTimeout(this.timer);
  }

  private draw(): void {
    const { words } = this.speech;
    const { error, value } = this;
    this.element.hidden = error === null && value !== null;
    this.again.hidden = error === null;
    this.element.dataset.resource = error === null ? "reading" : value === null ? "failed" : "stale";
    if (error === null) {
      setText(this.text, words.reading);
      return;
    }
    const why = failure(error, words).join(" ");
    const age = this.speech.age((performance.now() - this.readAt) / 1000);
    setText(this.text, value === null ? why : `${words.renewedNot(age)} ${why}`);
  }
}
