// The entity browser: looked for by type, id, condition and place, as the broker answers.

import { findEntities, readTypes } from "../calls/entities";
import { ApiError } from "../client";
import type { Context } from "../context";
import { button, h, setText } from "../dom";
import { type Area, readArea, writeArea } from "../ngsild/area";
import { AreaMap } from "../ngsild/areamap";
import { type Entity, observedAt, positions, shortName } from "../ngsild/entity";
import { type EntityQuestion, type Found, readQuestion, writeQuestion } from "../ngsild/question";
import { idParts } from "../ngsild/told";
import { brief } from "../ngsild/value";
import { labelled } from "../parts/filters";
import { Resource } from "../parts/resource";
import { type Column, DataTable } from "../parts/table";
import { timeOf, today } from "../parts/time";
import { entitiesAddress, entityAddress } from "../shell/routes";
import { Pager } from "../parts/pager";
import { type Page, pageHead } from "./page";

const PAGE = 50;
const TOLD = 4; // attributes of a row; its own page has them all
const RENEW_MS = 10_000;

export class EntitiesPage implements Page {
  readonly element: HTMLElement;
  private asked: EntityQuestion;
  private readonly type: HTMLInputElement;
  private readonly id: HTMLInputElement;
  private readonly q: HTMLInputElement;
  private readonly area: HTMLInputElement;
  private readonly named: HTMLInputElement;
  private readonly types = h("datalist", { id: "entity-types" });
  private readonly draw: HTMLButtonElement;
  private readonly unplaced = h("p", { class: "help" });
  private readonly map: AreaMap;
  private readonly pager: Pager;
  private readonly table: DataTable<Entity>;
  private readonly resource: Resource<Found>;

  constructor(
    private readonly context: Context,
    query: URLSearchParams,
  ) {
    const { speech } = context;
    const own = speech.words.entities;
    this.asked = readQuestion(query);
    const field = (attributes: Record<string, string>) => h("input", { autocomplete: "off", spellcheck: "false", ...attributes });
    this.type = field({ list: "entity-types", placeholder: own.typeHint });
    this.id = field({ type: "search", "data-filter": "" });
    this.q = field({ type: "search", placeholder: own.qHint, class: "long", "aria-describedby": "q-help" });
    this.area = field({ placeholder: own.areaHint, class: "long" });
    this.named = field({ type: "url", class: "long", "aria-describedby": "context-help" });
    this.area.addEventListener("input", () => this.checkArea());
    this.draw = button(own.draw, () => this.arm(this.draw.getAttribute("aria-pressed") !== "true"), { "aria-pressed": "false" });
    this.map = new AreaMap(context, (area) => this.drawn(area));
    this.pager = new Pager(speech, PAGE, (offset) => this.look({ ...this.asked, offset }));
    this.table = new DataTable(speech, {
      label: own.title,
      columns: this.columns(),
      key: (row) => row.id,
      stamp: () => today(context) + this.asked.context,
      empty: own.none,
    });
    this.fill();
    const read = () => findEntities(this.asked, readArea(this.asked.area), PAGE);
    this.resource = new Resource(speech, read, () => this.tell(), RENEW_MS);
    this.element = h(
      "section",
      { class: "page entities" },
      pageHead(own.title, own.help),
      this.form(),
      h("div", { class: "area-place" }, this.map.element, this.unplaced),
      this.pager.element,
      this.resource.element,
      this.table.element,
    );
    void this.offerTypes();
  }

  dispose(): void {
    this.resource.dispose();
    this.map.dispose();
  }

  private form(): HTMLElement {
    const { words } = this.context.speech;
    const own = words.entities;
    const form = h(
      "form",
      { class: "filters", role: "search", "aria-label": own.form },
      this.types,
      labelled(own.type, this.type),
      labelled(own.id, this.id),
      labelled(own.q, this.q),
      h("div", { class: "joined" }, labelled(own.area, this.area), this.draw),
      h("details", { open: this.asked.context !== "" }, h("summary", {}, own.more), labelled(own.context, this.named), h("p", { class: "help", id: "context-help" }, own.contextHelp)),
      h("div", { class: "joined" }, h("button", { type: "submit", class: "strong" }, own.search), button(own.reset, () => this.reset())),
      h("p", { class: "help", id: "q-help" }, own.qHelp),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.checkArea()) void this.look({ ...this.written(), offset: 0 });
    });
    this.type.addEventListener("change", () => form.requestSubmit());
    return form;
  }

  private fill(): void {
    const { type, id, q, area, context } = this.asked;
    Object.assign(this.type, { value: type });
    Object.assign(this.id, { value: id });
    Object.assign(this.q, { value: q });
    Object.assign(this.area, { value: area });
    Object.assign(this.named, { value: context });
  }

  private written(): Omit<EntityQuestion, "offset"> {
    const said = (field: HTMLInputElement) => field.value.trim();
    return { type: said(this.type), id: said(this.id), q: said(this.q), area: said(this.area), context: said(this.named) };
  }

  /** Whether what stands in the field is an area or nothing; tells the person where it is neither. */
  private checkArea(): boolean {
    const wrong = this.area.value.trim() !== "" && readArea(this.area.value) === null;
    this.area.setCustomValidity(wrong ? this.context.speech.words.entities.areaWrong : "");
    return !wrong;
  }

  private reset(): Promise<void> {
    this.arm(false);
    const nothing = readQuestion(new URLSearchParams());
    return this.look(nothing).then(() => this.fill());
  }

  /** Ask this from now on. The address keeps it, so that one comes back to it. */
  private async look(asked: EntityQuestion): Promise<void> {
    const other = asked.context !== this.asked.context;
    this.asked = asked;
    history.replaceState(null, "", entitiesAddress(writeQuestion(asked)));
    await this.resource.restart();
    if (other) await this.offerTypes();
  }

  private drawn(area: Area): void {
    this.arm(false);
    this.area.value = writeArea(area);
    this.checkArea();
    void this.look({ ...this.written(), offset: 0 });
  }

  private arm(on: boolean): void {
    const own = this.context.speech.words.entities;
    this.draw.setAttribute("aria-pressed", String(on));
    setText(this.draw, on ? own.drawing : own.draw);
    this.map.arm(on);
  }

  private async offerTypes(): Promise<void> {
    try {
      const types = await readTypes(this.asked.context);
      this.types.replaceChildren(...types.map((value) => h("option", { value })));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // the list says what is wrong
    }
  }

  private tell(): void {
    const own = this.context.speech.words.entities;
    const { entities, total } = this.resource.value ?? { entities: [], total: 0 };
    const { type, id, q, area, offset, context } = this.asked;
    this.pager.show(offset, entities.length, total);
    this.table.show(entities, [type, id, q, area].some(Boolean) ? own.noneMatch : own.none);
    this.map.show(entities, readArea(area), context);
    const nowhere = entities.filter((one) => positions(one).length === 0).length;
    setText(this.unplaced, nowhere === 0 ? "" : own.notPlaced(nowhere));
  }

  private columns(): Column<Entity>[] {
    const { speech } = this.context;
    const own = speech.words.entities;
    const link = ({ id, types }: Entity) => {
      const unsaid = types.map(shortName).filter((type) => !id.includes(`:${type}:`));
      return h("div", {}, h("a", { class: "name", href: entityAddress(id, this.asked.context) }, ...idParts(id)), h("small", {}, unsaid.join(", ")));
    };
    const changed = (row: Entity) => {
      const at = observedAt(row) ?? row.modifiedAt;
      return at === null ? speech.words.unknown : timeOf(this.context, at);
    };
    return [
      { name: "entity", label: own.entity, cell: link, sort: (row) => row.id },
      { name: "attributes", label: own.attributes, cell: (row) => this.attributes(row) },
      { name: "changed", label: own.changed, cell: changed, sort: (row) => observedAt(row) ?? row.modifiedAt ?? "" },
    ];
  }

  private attributes({ attributes }: Entity): HTMLElement {
    const { speech } = this.context;
    const some = attributes.slice(0, TOLD).map((one) => h("span", {}, h("small", {}, shortName(one.name)), " ", brief(speech, one)));
    const rest = attributes.length - some.length;
    return h("div", { class: "brief" }, ...some, ...(rest > 0 ? [h("small", {}, `+${rest}`)] : []));
  }
}
