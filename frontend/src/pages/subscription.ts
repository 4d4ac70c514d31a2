// One subscription: what it asks, how its notifications do, and why one thing was not sent.

import { changeSubscription, deleteSubscription, pauseSubscription, readSubscriptionOf } from "../calls/subscriptions";
import type { Context } from "../context";
import { ask } from "../dialog";
import { button, h, setText } from "../dom";
import { areaOf, type Subscription, type Wish } from "../ngsild/subscription";
import { writeArea } from "../ngsild/area";
import { SubscriptionForm } from "../ngsild/form";
import { nameOf, aboutOf, stateMark } from "../ngsild/told";
import { WhyPart } from "../ngsild/whypart";
import { Resource } from "../parts/resource";
import { timeOf } from "../parts/time";
import { noted } from "../shell/acting";
import { type Page, pageHead } from "./page";

const RENEW_MS = 2000;

type Fact = [name: string, value: Node | string];

export class SubscriptionPage implements Page {
  readonly element: HTMLElement;
  private readonly heading: HTMLElement;
  private readonly asks = h("dl", { class: "facts" });
  private readonly counters = h("dl", { class: "facts figures" });
  private readonly error = h("p", { class: "refused", lang: "en", hidden: true });
  private readonly form = h("div", { class: "form-place" });
  private readonly raw = h("pre", { class: "raw", tabindex: 0 });
  private readonly pause: HTMLButtonElement;
  private readonly change: HTMLButtonElement;
  private readonly remove: HTMLButtonElement;
  private readonly why: WhyPart;
  private readonly resource: Resource<Subscription>;

  constructor(
    private readonly context: Context,
    private readonly id: string,
    query: URLSearchParams,
  ) {
    const { speech } = context;
    const own = speech.words.subscription;
    this.pause = button(own.pause, () => this.turn(), { disabled: true });
    this.change = button(own.change, () => this.open(), { disabled: true });
    this.remove = button(own.remove, () => this.delete(), { class: "danger" });
    this.why = new WhyPart(context, id, query.get("entity") ?? "");
    this.raw.setAttribute("aria-label", speech.words.entity.raw);
    this.resource = new Resource(speech, () => readSubscriptionOf(id), (one) => this.tell(one), RENEW_MS);
    const back = h("a", { class: "download", href: "#/subscriptions" }, own.back);
    this.heading = pageHead(id, own.one, back, this.pause, this.change, this.remove);
    this.element = h(
      "section",
      { class: "page subscription" },
      this.heading,
      this.form,
      this.resource.element,
      h("section", { class: "card", "aria-label": own.about }, this.asks, this.counters, this.error),
      this.why.element,
      h("details", { class: "card" }, h("summary", {}, speech.words.entity.raw), this.raw),
    );
  }

  dispose(): void {
    this.resource.dispose();
  }

  private tell(one: Subscription): void {
    const { speech } = this.context;
    const own = speech.words.subscription;
    this.change.disabled = this.pause.disabled = false;
    const title = this.heading.querySelector("h2");
    if (title) setText(title, nameOf(one));
    setText(this.pause, one.state === "paused" ? own.resume : own.pause);
    setText(this.raw, JSON.stringify(one.raw, null, 2));
    const { lastError } = one.delivery;
    this.error.hidden = lastError === null;
    setText(this.error, lastError ?? "");
    fill(this.asks, this.asked(one));
    fill(this.counters, this.counted(one));
  }

  private asked(one: Subscription): Fact[] {
    const { speech } = this.context;
    const own = speech.words.subscription;
    const area = areaOf(one);
    const optional: [string, string][] = [
      [own.area, area === null ? JSON.stringify(one.geoQ) : writeArea(area)],
    ];
    return [
      [own.state, stateMark(speech, one)],
      [own.about, aboutOf(speech, one)],
      ...(one.geoQ === null ? [] : optional),
      [own.to, one.endpoint],
      [own.format, own.formats[one.format] ?? one.format],
      [own.on, one.triggers.map((trigger) => own.triggers[trigger] ?? trigger).join(", ")],
      ...(one.expiresAt === null ? [] : [[own.expires, timeOf(this.context, one.expiresAt)] as Fact]),
      ...(one.createdAt === null ? [] : [[own.created, timeOf(this.context, one.createdAt)] as Fact]),
    ];
  }

  private counted({ delivery }: Subscription): Fact[] {
    const { speech } = this.context;
    const own = speech.words.subscription;
    const time = (at: string | null) => (at === null ? own.never : timeOf(this.context, at));
    return [
      [own.sent, speech.count(delivery.delivered)],
      [own.pending, speech.count(delivery.pending)],
      [own.failed, speech.count(delivery.failed)],
      [own.throttled, speech.count(delivery.throttled)],
      [own.dropped, speech.count(delivery.dropped)],
      [own.lastSent, time(delivery.lastNotification)],
      [own.lastSuccess, time(delivery.lastSuccess)],
      [own.lastFailure, time(delivery.lastFailure)],
    ];
  }

  private async turn(): Promise<void> {
    const one = this.resource.value;
    if (!one) return;
    const { speech, command } = this.context;
    const own = speech.words.subscription;
    const pause = one.state !== "paused";
    const said = pause ? own.paused(nameOf(one)) : own.resumed(nameOf(one));
    await command(noted(this.context, () => pauseSubscription(this.id, pause), said).then(() => undefined));
    await this.resource.renew();
  }

  private open(): void {
    const before = this.resource.value;
    if (!before) return;
    const close = (saved: boolean) => {
      this.form.replaceChildren();
      this.change.focus();
      if (saved) void this.resource.renew();
    };
    const save = (wish: Wish) => noted(this.context, () => changeSubscription(before, wish), this.context.speech.words.subscription.changed(nameOf(before)));
    const form = new SubscriptionForm(this.context, { before, save, close });
    this.form.replaceChildren(form.element);
    form.element.querySelector("input")?.focus();
  }

  private async delete(): Promise<void> {
    const { speech, command } = this.context;
    const own = speech.words.subscription;
    const one = this.resource.value;
    const name = one === null ? this.id : nameOf(one);
    const sure = await ask(speech, { title: own.removeTitle(name), help: own.removeHelp, fields: [], yes: own.removeYes, danger: true });
    if (!sure) return;
    const gone = noted(this.context, () => deleteSubscription(this.id), own.removed(name)).then((done) => {
      if (done) location.hash = "#/subscriptions";
    });
    await command(gone);
  }
}

function fill(list: HTMLElement, facts: Fact[]): void {
  list.replaceChildren(...facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}
