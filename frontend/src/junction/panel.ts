// One junction in full: what it shows and who is in charge, its stages and queues of the last minutes,
// why it was decided so, and the operator's hand on it.

import type { Context } from "../context";
import { button, h, setAttribute, setText, svg } from "../dom";
import { movements } from "../map/geometry";
import { Glyph } from "../map/glyph";
import { DetectorBars } from "./bars";
import { Operations } from "./operations";
import { Reasons } from "./reasons";
import { StageLog } from "./stages";
import { TimelineBar } from "./timeline";

const GLYPH_PX = 30;

export class JunctionPanel {
  readonly element: HTMLElement;
  private readonly glyph: Glyph;
  private readonly phase = h("p", { class: "phase" });
  private readonly charge = h("p", { class: "charge" });
  private readonly past = h("p", { class: "past", hidden: true });
  private readonly unread = h("p", { class: "empty", hidden: true });
  private readonly log: StageLog;
  private readonly timeline: TimelineBar;
  private readonly bars: DetectorBars;
  private readonly reasons: Reasons;
  private readonly operations: Operations;

  /** `row` is the junction's in the map. */
  constructor(
    private readonly context: Context,
    private readonly row: number,
  ) {
    const { store, speech } = context;
    const { words } = speech;
    const junction = store.map.junctions[row];
    if (!junction) throw new RangeError(`no junction ${row}`);
    this.glyph = new Glyph(junction, movements(store.map, junction));
    this.glyph.resize(GLYPH_PX);
    this.log = new StageLog(junction.id, row);
    this.timeline = new TimelineBar(junction, speech);
    this.bars = new DetectorBars(store.map, row, speech);
    this.reasons = new Reasons(junction.id, store, speech);
    this.operations = new Operations(context, junction, row);
    const drawing = svg("svg", { class: "sign", viewBox: "-36 -36 72 72", "aria-hidden": "true" });
    drawing.append(this.glyph.element);
    const close = button(words.close, () => context.choose(null), { class: "quiet" });
    this.element = h(
      "section",
      { class: "junction", "aria-label": junction.name, tabindex: -1 },
      h("div", { class: "heading" }, h("h2", {}, junction.name), close),
      this.past,
      h("div", { class: "now" }, drawing, h("div", {}, this.phase, this.charge)),
      ...(store.map.twin ? [this.operations.element] : []),
      this.timeline.element,
      this.unread,
      this.bars.element,
      this.reasons.element,
    );
  }

  show(): void {
    const { store, speech } = this.context;
    const state = store.state;
    const one = state?.junctions[this.row];
    if (!state) return;
    const { words } = speech;
    if (!one) {
      setText(this.phase, words.real.noSignal);
      this.reasons.show();
      return;
    }
    this.glyph.show(one);
    setText(this.phase, speech.shown(one));
    const charge = [words.local, words.centre, words.operator][one[3]] ?? "";
    setText(this.charge, `${words.inCharge}: ${charge}`);
    setAttribute(this.charge, "data-charge", one[3]);
    this.past.hidden = store.replay === null;
    setText(this.past, store.replay === null ? "" : `${words.replayed} · ${speech.clock(store.replay.city_time)}`);
    this.operations.show();
    this.log.follow(state, store.replay !== null, () => this.showLog());
    this.timeline.show(this.log);
    this.bars.show(state);
    this.reasons.show();
  }

  private showLog(): void {
    this.timeline.show(this.log);
    this.unread.hidden = !this.log.failed;
    setText(this.unread, this.context.speech.words.panelNoPast);
    this.bars.showPast(this.log.detectors);
  }
}
