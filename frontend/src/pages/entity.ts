// One entity: its attributes, where it is, how it came to be, and who follows it.

import { readOne } from "../calls/entities";
import type { Context } from "../context";
import { button, h } from "../dom";
import { AreaMap } from "../ngsild/areamap";
import { address } from "../ngsild/door";
import { type Attribute, type Entity, type Instance, observedAt, positions, shortName } from "../ngsild/entity";
import { HistoryPart } from "../ngsild/history";
import { valueOf } from "../ngsild/value";
import { WatcherPart } from "../ngsild/watchers";
import { Resource } from "../parts/resource";
import { type Column, DataTable } from "../parts/table";
import { timeOf, today } from "../parts/time";
import { entitiesAddress } from "../shell/routes";
import { type Page, pageHead } from "./page";

const COPIED_MS = 2000;

/** One instance of an attribute, or of what an attribute says of it. */
interface Row {
  path: string;
  name: string;
  depth: number;
  one: Instance;
}

export class EntityPage implements Page {
  readonly element: HTMLElement;
  private readonly facts = h("dl", { class: "facts" });
  private readonly raw = h("pre", { class: "raw", tabindex: 0 });
  private readonly copy: HTMLButtonElement;
  private readonly table: DataTable<Row>;
  private readonly resource: Resource<Entity>;
  private readonly past: HistoryPart;
  private readonly watchers: WatcherPart;
  private readonly map: AreaMap;
  private readonly mapCard: HTMLElement;
  private readonly named: string;
  private drawn = "";

  constructor(
    private readonly context: Context,
    id: string,
    query: URLSearchParams,
  ) {
    const { speech } = context;
    const own = speech.words.entity;
    this.named = query.get("context") ?? "";
    this.table = new DataTable(speech, {
      label: speech.words.entities.attributes,
      columns: this.columns(),
      key: ({ path }) => path,
      stamp: () => today(context),
      empty: own.none,
    });
    this.copy = button(own.copy, () => this.copyRaw());
    this.raw.setAttribute("aria-label", own.raw);
    this.past = new HistoryPart(context, id, this.named);
    this.watchers = new WatcherPart(context, id);
    this.map = new AreaMap(context);
    this.mapCard = h("section", { class: "card", "aria-label": own.place, hidden: true }, h("h3", {}, own.place), this.map.element);
    this.resource = new Resource(speech, () => readOne(id, this.named), (entity) => this.tell(entity));
    const head = pageHead(id, own.help, h("a", { class: "download", href: entitiesAddress({ context: this.named }) }, own.back));
    this.element = h(
      "section",
      { class: "page entity" },
      head,
      this.resource.element,
      this.facts,
      this.table.element,
      h("div", { class: "cards halves" }, h("div", { class: "cards" }, this.past.element, this.mapCard), h("div", { class: "cards" }, this.watchers.element, this.whoMaySee())),
      h(
        "details",
        { class: "card" },
        h("summary", {}, own.raw),
        h("p", { class: "help" }, own.rawHelp),
        h("div", { class: "acts" }, this.copy, h("a", { class: "download", href: address("/ngsi-ld/v1/entities/{entityId}", { entityId: id }), target: "_blank", rel: "noopener" }, own.open)),
        this.raw,
      ),
    );
  }

  dispose(): void {
    this.resource.dispose();
    this.past.dispose();
    this.watchers.dispose();
    this.map.dispose();
  }

  private whoMaySee(): HTMLElement {
    const own = this.context.speech.words.entity;
    return h("section", { class: "card", "aria-label": own.who }, h("h3", {}, own.who), h("p", {}, own.whoAll));
  }

  private tell(entity: Entity): void {
    const text = JSON.stringify(entity.raw, null, 2);
    this.past.offer(entity);
    this.watchers.offer(entity);
    if (text === this.drawn) return;
    this.drawn = text;
    this.raw.textContent = text;
    this.tellFacts(entity);
    this.table.show(entity.attributes.flatMap((one) => rowsOf(one, "", 0)));
    this.mapCard.hidden = positions(entity).length === 0;
    this.map.show([entity], null, this.named);
  }

  private tellFacts(entity: Entity): void {
    const { speech } = this.context;
    const { words } = speech;
    const own = words.entity;
    const time = (at: string | null) => (at === null ? words.unknown : timeOf(this.context, at));
    const types = entity.types.map((type) =>
      h("a", { href: entitiesAddress({ type, context: this.named }), title: own.allOfType(type) }, shortName(type)),
    );
    const facts: [string, (Node | string)[]][] = [
      [words.entities.type, types.flatMap((link, at) => (at === 0 ? [link] : [", ", link]))],
      ...(entity.scopes.length > 0 ? [[own.scope, [entity.scopes.join(", ")]] as [string, string[]]] : []),
      [own.observed, [time(observedAt(entity))]],
      [own.modified, [time(entity.modifiedAt)]],
      [own.created, [time(entity.createdAt)]],
    ];
    this.facts.replaceChildren(...facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, ...value))));
  }

  private columns(): Column<Row>[] {
    const { words } = this.context.speech;
    const own = words.entity;
    const name = ({ name, depth, one }: Row) => {
      const kind = own.kinds[one.kind] ?? one.kind;
      const small = [one.datasetId === null ? "" : own.instance(one.datasetId), kind].filter(Boolean).join(" · ");
      return h("div", { class: `depth-${Math.min(depth, 3)}`, title: name }, shortName(name), ...(small === "" ? [] : [h("small", {}, small)]));
    };
    const time = ({ one }: Row) => (one.observedAt === null ? "" : timeOf(this.context, one.observedAt));
    const changed = ({ one }: Row) => (one.modifiedAt === null ? "" : timeOf(this.context, one.modifiedAt));
    return [
      { name: "attribute", label: own.attribute, cell: name },
      { name: "value", label: own.value, cell: ({ one }) => valueOf(this.context, one, this.named) },
      { name: "observed", label: own.observed, cell: time },
      { name: "modified", label: own.modified, cell: changed },
    ];
  }

  private async copyRaw(): Promise<void> {
    const own = this.context.speech.words.entity;
    await navigator.clipboard.writeText(this.drawn);
    this.copy.textContent = own.copied;
    setTimeout(() => (this.copy.textContent = own.copy), COPIED_MS);
  }
}

/** An attribute, its instances and what each says of its value, one below the other. */
function rowsOf({ name, instances }: Attribute, above: string, depth: number): Row[] {
  return instances.flatMap((one) => {
    const path = `${above}/${name} ${one.datasetId ?? ""}`;
    return [{ path, name, depth, one }, ...one.about.flatMap((part) => rowsOf(part, path, depth + 1))];
  });
}
