// Every word of the page, in English and Chinese, and how figures and times are written. Each topic
// has a file with both languages, of which the second has the type of the first: none can be missing.

import type { JunctionState, Mode } from "../shapes";
import { alarmWords } from "./alarms";
import { cityWords } from "./city";
import { entityWords } from "./entities";
import { manageWords } from "./manage";
import { mapWords } from "./map";
import { reasonWords } from "./reasons";
import { shellWords } from "./shell";
import { subscriptionWords } from "./subscriptions";
import { unitWords } from "./units";

const en = {
  ...cityWords.en,
  ...mapWords.en,
  ...shellWords.en,
  ...alarmWords.en,
  ...reasonWords.en,
  ...manageWords.en,
  ...entityWords.en,
  ...subscriptionWords.en,
  ...unitWords.en,
};
const zh: typeof en = {
  ...cityWords.zh,
  ...mapWords.zh,
  ...shellWords.zh,
  ...alarmWords.zh,
  ...reasonWords.zh,
  ...manageWords.zh,
  ...entityWords.zh,
  ...subscriptionWords.zh,
  ...unitWords.zh,
};

export const languages = { en, zh };
export { instantOf, localOf } from "./zone";

export type Words = typeof en;

export type Language = "en" | "zh";

const KEY = "cityloop.language";

/** The language last chosen here, else the browser's. */
export function rememberedLanguage(): Language {
  const chosen = localStorage.getItem(KEY) ?? navigator.language;
  return chosen.startsWith("zh") ? "zh" : "en";
}

export function rememberLanguage(language: Language): void {
  localStorage.setItem(KEY, language);
}

/** Words and formats of one language, for a city in `timeZone`. */
export class Speech {
  readonly words: Words;
  readonly tag: string;
  private readonly time: Intl.DateTimeFormat;
  private readonly date: Intl.DateTimeFormat;
  private readonly minutes: Intl.DateTimeFormat;
  private readonly zone: Intl.DateTimeFormat;
  private readonly short: Intl.NumberFormat;
  private readonly whole: Intl.NumberFormat;

  constructor(
    readonly language: Language,
    readonly timeZone: string,
  ) {
    this.words = languages[language];
    this.tag = language === "zh" ? "zh-CN" : "en-GB";
    const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit" } as const;
    this.time = new Intl.DateTimeFormat(this.tag, { ...clock, hourCycle: "h23", timeZone });
    this.date = new Intl.DateTimeFormat(this.tag, { dateStyle: "medium", timeZone });
    const toMinute = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone } as const;
    this.minutes = new Intl.DateTimeFormat(this.tag, toMinute);
    this.zone = new Intl.DateTimeFormat(this.tag, { hour: "numeric", timeZoneName: "shortOffset", timeZone });
    this.short = new Intl.NumberFormat(this.tag, { maximumSignificantDigits: 4 });
    this.whole = new Intl.NumberFormat(this.tag, { maximumFractionDigits: 0 });
  }

  clock(iso: string): string {
    return this.time.format(new Date(iso));
  }

  /** The zone's offset then, as in "GMT+8": where a clock is put back it tells the two hours apart. */
  offset(iso: string): string {
    return this.zone.formatToParts(new Date(iso)).find((part) => part.type === "timeZoneName")?.value ?? "";
  }

  day(iso: string): string {
    return this.date.format(new Date(iso));
  }

  /** Hours and minutes, as at the axis of a chart. */
  minute(iso: string): string {
    return this.minutes.format(new Date(iso));
  }

  /** A time in a list: with its day where that is not the day of `now`, and with the zone's offset
   * in the hour that comes twice. */
  when(iso: string, now: string | null): string {
    const time = this.clock(iso);
    const beside = [-3_600_000, 3_600_000].map((ms) => this.clock(new Date(Date.parse(iso) + ms).toISOString()));
    const twice = beside.includes(time) ? ` ${this.offset(iso)}` : "";
    const day = this.day(iso);
    return now !== null && day === this.day(now) ? time + twice : `${day} ${time}${twice}`;
  }

  count(value: number): string {
    return this.whole.format(value);
  }

  /** One decimal, a true minus sign, and an en dash for what is not known. */
  seconds(value: number | null, sign: "auto" | "always" = "auto"): string {
    if (value === null) return "–";
    const rounded = value.toFixed(1);
    const plus = sign === "always" && Number(rounded) > 0 ? "+" : "";
    return plus + rounded.replace("-", "\u2212");
  }

  /** What a sensor measured, as short as it can be told. */
  measured(value: number): string {
    return this.short.format(value);
  }

  /** What a sensor said last, attribute by attribute. */
  values(values: Readonly<Record<string, number>>): string[] {
    return Object.entries(values).map(([name, value]) => `${name} ${this.measured(value)}`);
  }

  /** Milliseconds without their unit. */
  ms(value: number | null): string {
    return value === null ? "–" : value < 10 ? value.toFixed(1) : String(Math.round(value));
  }

  /** A span on the wall clock: 8 s, 3 min, 2 h. */
  age(seconds: number): string {
    const zh = this.language === "zh";
    if (seconds < 100) return `${Math.round(seconds)} ${zh ? "秒" : "s"}`;
    if (seconds < 6000) return `${Math.round(seconds / 60)} ${zh ? "分钟" : "min"}`;
    return `${Math.round(seconds / 3600)} ${zh ? "小时" : "h"}`;
  }

  /** What a junction shows. Phases are called by their index, as in reasons, log and API. */
  shown([phase, stage, ageS]: JunctionState): string {
    const age = this.age(ageS);
    if (stage === 0) return this.words.phaseNow(phase, age);
    if (stage === 3 || phase < 0) return this.words.flashing(age);
    return this.words.phaseNext(this.words.stages[stage] ?? "", age, phase);
  }

  action(action: string, phase: number | null): string {
    const name = this.words.actions[action] ?? action.replaceAll("_", " ");
    return phase === null ? name : `${name} ${phase}`;
  }

  /** What became of a decision; what passed the guard still only counts in mode `act`. */
  verdict(verdict: string, mode: Mode): string {
    if (verdict === "passed" && mode !== "act") return this.words.verdicts[mode] ?? mode;
    return this.words.verdicts[verdict] ?? verdict.replaceAll("_", " ");
  }
}
