// Which page stands behind which name.

import type { Context } from "../context";
import { h } from "../dom";
import type { Address, PageName } from "../shell/routes";
import { AlarmPage } from "./alarms";
import { DecisionPage } from "./decisions";
import { EntitiesPage } from "./entities";
import { EntityPage } from "./entity";
import { ExportPage } from "./exports";
import { LoopPage } from "./loops";
import { MeasurePage } from "./measures";
import { type OpenPage, type Page, pageHead } from "./page";
import { PlanPage } from "./plans";
import { RetentionPage } from "./retention";
import { SensorPage } from "./sensors";
import { ShiftPage } from "./shift";
import { SourcePage } from "./sources";
import { SubscriptionPage } from "./subscription";
import { SubscriptionsPage } from "./subscriptions";

const PAGES: Record<Exclude<PageName, "city">, OpenPage> = {
  alarms: (context) => new AlarmPage(context),
  decisions: (context) => new DecisionPage(context),
  measures: (context) => new MeasurePage(context),
  shift: (context) => new ShiftPage(context),
  sensors: (context) => new SensorPage(context),
  entities: (context, { subject, query }) => (subject === null ? new EntitiesPage(context, query) : new EntityPage(context, subject, query)),
  loops: (context) => new LoopPage(context),
  sources: (context) => new SourcePage(context),
  subscriptions: (context, { subject, query }) => (subject === null ? new SubscriptionsPage(context, query) : new SubscriptionPage(context, subject, query)),
  plans: (context) => new PlanPage(context),
  retention: (context) => new RetentionPage(context),
  exports: (context) => new ExportPage(context),
};

export function openPage(name: Exclude<PageName, "city"> | null, context: Context, address: Address): Page {
  return name === null ? nowhere(context) : PAGES[name](context, address);
}

function nowhere({ speech: { words } }: Context): Page {
  const link = h("a", { href: "#/" }, words.toCity);
  return { element: h("section", { class: "page" }, pageHead(words.noPage, words.noPageAdvice), h("p", {}, link)) };
}
