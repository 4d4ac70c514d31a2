// All subscriptions: how each does, and the form for a new one.

import { createSubscription, readSubscriptions } from "../calls/subscriptions";
import type { Context } from "../context";
import { button, h } from "../dom";
import { SubscriptionForm } from "../ngsild/form";
import type { SubscriptionsFound } from "../ngsild/question";
import type { Subscription, Wish } from "../ngsild/subscription";
import { aboutOf, nameOf, stateMark } from "../ngsild/told";
import { Pager } from "../parts/pager";
import { Resource } from "../parts/resource";
import { type Column, DataTable } from "../parts/table";
import { timeOf, today } from "../parts/time";
import { noted } from "../shell/acting";
import { subscriptionAddress } from "../shell/routes";
import { type Page, pageHead } from "./page";

const PAGE = 100;
const RENEW_MS = 3000;

export class SubscriptionsPage implements Page {
  readonly element: HTMLElement;
  private readonly form = h("div", { class: "form-place" });
  private readonly create: HTMLButtonElement;
  private readonly pager: Pager;
  private readonly table: DataTable<Subscription>;
  private readonly resource: Resource<SubscriptionsFound>;
  private offset = 0;

  constructor(
    private readonly context: Context,
    query: URLSearchParams,
  ) {
    const { speech } = context;
    const own = speech.words.subscription;
    this.create = button(own.create, () => this.open(""), { class: "strong" });
    this.table = new DataTable(speech, { label: own.title, columns: this.columns(), key: ({ id }) => id, stamp: () => today(context), empty: own.none });
    this.resource = new Resource(speech, () => readSubscriptions(this.offset, PAGE), (found) => this.tell(found), RENEW_MS);
    this.pager = new Pager(speech, PAGE, (offset) => {
      this.offset = offset;
      return this.resource.restart();
    });
    this.element = h(
      "section",
      { class: "page" },
      pageHead(own.title, own.help, this.create),
      this.form,
      this.pager.element,
      this.resource.element,
      this.table.element,
    );
    const about = query.get("type");
    if (about !== null) this.open(about);
  }

  dispose(): void {
    this.resource.dispose();
  }

  private tell({ subscriptions, total }: SubscriptionsFound): void {
    this.pager.show(this.offset, subscriptions.length, total);
    this.table.show(subscriptions);
  }

  private open(type: string): void {
    const close = (saved: boolean) => {
      this.form.replaceChildren();
      this.create.disabled = false;
      this.create.focus();
      if (saved) void this.resource.renew();
    };
    const form = new SubscriptionForm(this.context, { before: null, type, save: (wish) => this.save(wish), close });
    this.form.replaceChildren(form.element);
    this.create.disabled = true;
    form.element.querySelector("input")?.focus();
  }

  private save(wish: Wish): Promise<boolean> {
    const own = this.context.speech.words.subscription;
    return noted(this.context, () => createSubscription(wish), own.made(wish.name || wish.type || wish.watched.join(", ")));
  }

  private columns(): Column<Subscription>[] {
    const { speech } = this.context;
    const own = speech.words.subscription;
    const link = (row: Subscription) => h("a", { class: "name", href: subscriptionAddress(row.id), title: row.id }, nameOf(row));
    const about = (row: Subscription) => h("div", {}, aboutOf(speech, row), h("small", {}, `${own.to} ${row.endpoint}`));
    const success = ({ delivery: { lastSuccess: at } }: Subscription) => (at === null ? own.never : timeOf(this.context, at));
    const error = ({ delivery: { lastError } }: Subscription) => (lastError === null ? "" : h("span", { lang: "en" }, lastError));
    return [
      { name: "name", label: own.name, cell: link, sort: nameOf },
      { name: "state", label: own.state, cell: (row) => stateMark(speech, row), sort: (row) => row.state },
      { name: "about", label: own.about, cell: about },
      { name: "sent", label: own.sent, numeric: true, cell: ({ delivery }) => speech.count(delivery.delivered), sort: ({ delivery }) => delivery.delivered },
      { name: "pending", label: own.pending, numeric: true, cell: ({ delivery }) => speech.count(delivery.pending), sort: ({ delivery }) => delivery.pending },
      { name: "failed", label: own.failed, numeric: true, cell: ({ delivery }) => speech.count(delivery.failed), sort: ({ delivery }) => delivery.failed },
      { name: "success", label: own.lastSuccess, cell: success, sort: ({ delivery }) => delivery.lastSuccess ?? "" },
      { name: "error", label: own.lastError, cell: error },
    ];
  }
}
