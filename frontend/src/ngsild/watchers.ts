// Who follows an entity: the loops that watch its type, and the subscriptions that ask for it.

import { readWatching } from "../calls/entities";
import { readLoops } from "../calls/loops";
import type { Context } from "../context";
import { h } from "../dom";
import { Resource } from "../parts/resource";
import { subscribeAddress, subscriptionAddress } from "../shell/routes";
import type { LoopRow } from "../shapes";
import { type Entity, shortName } from "./entity";
import { endOf } from "./told";
import type { Why } from "./why";

const RENEW_MS = 10_000;

export class WatcherPart {
  readonly element: HTMLElement;
  private readonly loops = h("ul", { class: "watchers" });
  private readonly subscriptions = h("ul", { class: "watchers" });
  private readonly rows: Resource<LoopRow[]>;
  private readonly watching: Resource<Why[]>;
  private readonly subscribe: HTMLAnchorElement;
  private types: string[] = [];

  constructor(
    private readonly context: Context,
    id: string,
  ) {
    const { speech } = context;
    const own = speech.words.entity;
    this.subscribe = h("a", { class: "download", href: "#/subscriptions" }, own.subscribe);
    this.rows = new Resource(speech, readLoops, () => this.showLoops(), RENEW_MS);
    this.watching = new Resource(speech, () => readWatching(id), (rows) => this.showSubscriptions(rows), RENEW_MS);
    this.element = h(
      "div",
      { class: "cards" },
      h("section", { class: "card", "aria-label": own.loops }, h("h3", {}, own.loops), this.rows.element, this.loops),
      h(
        "section",
        { class: "card", "aria-label": own.subscriptions },
        h("div", { class: "heading" }, h("h3", {}, own.subscriptions), this.subscribe),
        this.watching.element,
        this.subscriptions,
      ),
    );
  }

  offer(entity: Entity): void {
    this.types = entity.types.map(shortName);
    this.subscribe.href = subscribeAddress(entity.types.join("|"));
    this.showLoops();
  }

  dispose(): void {
    this.rows.dispose();
    this.watching.dispose();
  }

  private showLoops(): void {
    const own = this.context.speech.words.entity;
    const found = (this.rows.value ?? []).flatMap(({ name, watches }) =>
      watches.filter(({ type }) => this.types.includes(type)).map(({ attributes }) => line(h("a", { href: "#/loops" }, name), own.loopWatches(attributes.join(", ")))),
    );
    fill(this.loops, found, own.noLoops);
  }

  private showSubscriptions(rows: Why[]): void {
    const { words } = this.context.speech;
    const found = rows.map(({ subscription, name, entity, verdict }) =>
      line(h("a", { href: subscriptionAddress(subscription, entity), title: subscription }, name || endOf(subscription)), words.subscription.verdicts[verdict] ?? verdict),
    );
    fill(this.subscriptions, found, words.entity.noSubscriptions);
  }
}

function line(link: HTMLElement, note: string): HTMLElement {
  return h("li", {}, link, h("small", {}, note));
}

function fill(list: HTMLElement, lines: HTMLElement[], none: string): void {
  list.replaceChildren(...(lines.length > 0 ? lines : [h("li", { class: "empty" }, none)]));
}
