// The loops: how each does, which version runs, how far it may go on each group, and what its shadow
// showed there.

import { readLoops, runVersion } from "../calls/loops";
import type { LoopGroup, LoopRow } from "../shapes";
import { Loops, ModeSwitch } from "../city/loops";
import type { Context } from "../context";
import { ask } from "../dialog";
import { button, h } from "../dom";
import { exportLinks } from "../parts/download";
import { told } from "../parts/failure";
import { Resource } from "../parts/resource";
import { type Column, DataTable } from "../parts/table";
import { timeOf, today } from "../parts/time";
import { actAs } from "../shell/acting";
import { type Page, pageHead } from "./page";

export class LoopPage implements Page {
  readonly element: HTMLElement;
  private readonly cards = h("div", { class: "cards" });
  private readonly shown = new Map<string, LoopCard>();
  private readonly resource: Resource<LoopRow[]>;

  constructor(private readonly context: Context) {
    const { speech } = context;
    const { words } = speech;
    this.resource = new Resource(speech, readLoops, (rows) => this.draw(rows), 3000);
    const head = pageHead(words.loops, words.loopPage.help, ...exportLinks(speech, "loops"));
    this.element = h("section", { class: "page" }, head, this.resource.element, this.cards);
  }

  show(): void {
    for (const card of this.shown.values()) card.showModes();
  }

  dispose(): void {
    this.resource.dispose();
  }

  private draw(rows: LoopRow[]): void {
    if (rows.length === 0) this.cards.replaceChildren(h("p", { class: "empty" }, this.context.speech.words.loopPage.none));
    for (const row of rows) {
      let card = this.shown.get(row.name);
      if (!card) {
        card = new LoopCard(this.context, row.name, () => this.resource.renew());
        this.shown.set(row.name, card);
        this.cards.append(card.element);
      }
      card.show(row);
    }
  }
}

class LoopCard {
  readonly element: HTMLElement;
  private readonly facts = h("dl", { class: "facts" });
  private readonly reason = h("p", { class: "reason", lang: "en", hidden: true });
  private readonly table: DataTable<LoopGroup>;
  private readonly switches = new Map<string, ModeSwitch>();
  private readonly change: HTMLButtonElement;
  private row: LoopRow | null = null;

  constructor(
    private readonly context: Context,
    private readonly name: string,
    private readonly renew: () => Promise<void>,
  ) {
    const { speech } = context;
    const { words } = speech;
    this.change = button(words.loopPage.changeVersion, () => this.changeVersion());
    this.table = new DataTable(speech, {
      label: `${name}: ${words.loopPage.group}`,
      columns: this.columns(),
      key: (group) => group.name,
      stamp: () => today(context),
      empty: "",
    });
    this.element = h(
      "section",
      { class: "card", "aria-label": name, "data-loop": name },
      h("div", { class: "heading" }, h("h3", {}, name), this.change),
      this.facts,
      this.reason,
      this.table.element,
    );
  }

  show(row: LoopRow): void {
    this.row = row;
    const { speech } = this.context;
    const { words } = speech;
    const own = words.loopPage;
    this.change.hidden = row.versions.length < 2;
    this.reason.hidden = row.reason === "";
    this.reason.textContent = row.reason;
    const state = h("span", { class: "condition", "data-well": row.state === "ok" ? "yes" : row.state === "off" ? "off" : "no" }, own.states[row.state]);
    const facts: [string, Node | string][] = [
      [words.alarm.state, state],
      [own.version, row.version],
      [own.ticks, speech.count(row.ticks)],
      [own.failures, speech.count(row.failures)],
      [own.latency, `${speech.ms(row.latency_p50_ms)} / ${speech.ms(row.latency_p99_ms)} ms`],
    ];
    this.facts.replaceChildren(...facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
    this.table.show(row.groups);
    this.showModes();
  }

  showModes(): void {
    const modes = this.context.store.live?.modes[this.name];
    for (const [group, one] of this.switches) one.show(modes?.[group]);
  }

  private columns(): Column<LoopGroup>[] {
    const { speech } = this.context;
    const own = speech.words.loopPage;
    const share = (part: number, whole: number) => (whole > 0 ? `${((100 * part) / whole).toFixed(1)} %` : speech.words.unknown);
    return [
      { name: "group", label: own.group, cell: (group) => h("div", {}, group.name, h("small", {}, this.count(group))) },
      { name: "mode", label: own.mode, cell: (group) => this.modeSwitch(group) },
      { name: "shadow", label: own.shadow, cell: ({ shadow }) => (shadow ? timeOf(this.context, shadow.since) : h("span", { class: "reason" }, own.noShadow)) },
      { name: "proposals", label: own.proposals, numeric: true, cell: ({ shadow }) => (shadow ? speech.count(shadow.proposals) : "") },
      { name: "refused", label: own.refusedShare, numeric: true, cell: ({ shadow }) => (shadow ? share(shadow.refused, shadow.proposals) : "") },
      { name: "failures", label: own.failures, numeric: true, cell: ({ shadow }) => (shadow ? speech.count(shadow.failures) : "") },
      {
        name: "agreement",
        label: own.agreement,
        numeric: true,
        cell: ({ shadow }) => (shadow?.agreement == null ? "" : `${(100 * shadow.agreement).toFixed(1)} %`),
      },
      { name: "allows", label: own.allows, cell: ({ shadow }) => this.allows(shadow) },
    ];
  }

  private count({ junctions }: LoopGroup): string {
    return this.context.speech.words.junctionCount(junctions.length);
  }

  private allows(shadow: LoopGroup["shadow"]): HTMLElement | string {
    if (!shadow) return "";
    const { words } = this.context.speech;
    const missing = told(shadow.missing, words);
    const why = shadow.allows_act ? "" : h("small", missing === undefined ? { lang: "en" } : {}, missing ?? shadow.why);
    return h("div", {}, shadow.allows_act ? words.yes : words.no, why);
  }

  /** One switch per group for as long as the card lives: none moves under a hand. */
  private modeSwitch(group: LoopGroup): HTMLElement {
    let one = this.switches.get(group.name);
    if (!one) {
      one = new ModeSwitch(this.context.speech, group.name, this.context.store.map.twin, (mode) =>
        Loops.change(this.context, this.name, group.name, mode, this.mayAct(group.name)),
      );
      this.switches.set(group.name, one);
    }
    return one.element;
  }

  private mayAct(group: string): boolean {
    return this.row?.groups.find((one) => one.name === group)?.shadow?.allows_act ?? false;
  }

  private async changeVersion(): Promise<void> {
    const { row } = this;
    if (!row) return;
    const { speech } = this.context;
    const own = speech.words.loopPage;
    const options = row.versions.map((version) =>
      h("option", { value: version, disabled: version === row.version }, version === row.version ? `${version} (${own.present})` : version),
    );
    const version = h("select", { name: "version" }, ...options);
    version.value = row.versions.find((one) => one !== row.version) ?? "";
    const reason = h("input", { name: "reason", required: true, maxlength: 300, pattern: ".*\\S.*" });
    const sure = await ask(speech, {
      title: own.versionTitle(row.name),
      help: own.versionHelp,
      fields: [h("label", {}, own.versionField, version), h("label", {}, speech.words.alarm.reason, reason)],
      yes: own.versionYes,
      danger: true,
    });
    if (!sure) return;
    await actAs(this.context, (by) => runVersion(row.name, version.value, reason.value.trim(), by));
    await this.renew();
  }
}
