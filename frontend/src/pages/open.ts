// Which page stands behind which name.

import type { Context } from "../context";
import { h } from "../dom";
import type { PageName } from "../shell/routes";
import { AlarmPage } from "./alarms";
import { DecisionPage } from "./decisions";
import { ExportPage } from "./exports";
import { LoopPage } from "./loops";
import { MeasurePage } from "./measures";
import { type OpenPage, type Page, pageHead } from "./page";
import { PlanPage } from "./plans";
import { RetentionPage } from "./retention";
import { SensorPage } from "./sensors";
import { ShiftPage } from "./shift";
import { SourcePage } from "./sources";

const PAGES: Record<Exclude<PageName, "city">, OpenPage> = {
  alarms: (context) => new AlarmPage(context),
  decisions: (context) => new DecisionPage(context),
  measures: (context) => new MeasurePage(context),
  shift: (context) => new ShiftPage(context),
  sensors: (context) => new SensorPage(context),
  loops: (context) => new LoopPage(context),
  sources: (context) => new SourcePage(context),
  plans: (context) => new PlanPage(context),
  retention: (context) => new RetentionPage(context),
  exports: (context) => new ExportPage(context),
};

export function openPage(name: Exclude<PageName, "city"> | null, context: Context): Page {
  return name === null ? nowhere(context) : PAGES[name](context);
}

function nowhere({ speech: { words } }: Context): Page {
  const link = h("a", { href: "#/" }, words.toCity);
  return { element: h("section", { class: "page" }, pageHead(words.noPage, words.noPageAdvice), h("p", {}, link)) };
}
