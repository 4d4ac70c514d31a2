// Which part of a long list is shown, and the way to the parts before and after it.

import { button, h, setText } from "../dom";
import type { Speech } from "../words";

export class Pager {
  readonly element: HTMLElement;
  private readonly tally = h("span", { class: "tally", role: "status" });
  private readonly before: HTMLButtonElement;
  private readonly after: HTMLButtonElement;
  private offset = 0;

  constructor(
    private readonly speech: Speech,
    step: number,
    turn: (offset: number) => Promise<void>,
  ) {
    const own = speech.words.entities;
    // They stay free while the part is read: one may go on at once, and `show` says how far.
    this.before = button(own.before, () => void turn(Math.max(0, this.offset - step)));
    this.after = button(own.after, () => void turn(this.offset + step));
    this.element = h("div", { class: "pager", hidden: true }, this.tally, this.before, this.after);
  }

  /** `shown` of `total` rows stand on the page, from row `offset` on. */
  show(offset: number, shown: number, total: number): void {
    const { speech } = this;
    const own = speech.words.entities;
    this.offset = offset;
    this.element.hidden = false;
    const last = offset + shown;
    setText(this.tally, shown === 0 ? own.foundNone(speech.count(total)) : own.found(speech.count(offset + 1), speech.count(last), speech.count(total)));
    this.before.hidden = this.after.hidden = offset === 0 && last >= total;
    this.before.disabled = offset === 0;
    this.after.disabled = last >= total;
  }
}
