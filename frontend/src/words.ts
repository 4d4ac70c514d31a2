// Every word of the page, in English and Chinese, and how figures and times are written.

import type { JunctionState, Mode } from "./api";

const en = {
  live: "Live",
  paused: "Paused",
  loading: "Reading the city …",
  nothingYet: "Nothing yet: the first second of the run has not arrived.",
  nothingYetAdvice: "A twin takes some seconds to build its network on the first start.",
  stale: (age: string) => `No news for ${age}. The picture below is that old.`,
  staleAdvice: "The twin or the hub is busy or stopped; /health/ready names the part.",
  disconnected: (age: string) => `Connection lost. The picture below is ${age} old.`,
  disconnectedAdvice: "Trying again by itself. If it lasts, look at where make run was started.",
  hubAway: "The hub is away. Every junction runs its local plan.",
  hubAwayAdvice: "It is started again by itself; commands are not taken until then.",
  failed: "The city does not answer.",
  failedAdvice: "See whether cityloop is still running where it was started, then try again.",
  again: "Try again",
  dismiss: "Dismiss",
  language: "中文",
  languageLabel: "切换到中文",
  cityTime: "City time",
  run: "Run",
  speed: "Speed",
  max: "Max",
  pause: "Pause",
  resume: "Resume",
  step: "Step 1 s",
  measures: "Measures",
  travelTime: "Mean travel time",
  travelTimeUnit: "Mean travel time, s",
  difference: "Loop against baseline",
  perTrip: "per trip",
  interval: (low: string, high: string) => `95 % interval ${low} to ${high} s`,
  noInterval: "The interval begins after a quarter of an hour.",
  early: "too early to tell",
  better: "shorter trips than the baseline",
  worse: "longer trips than the baseline",
  unclear: "no clear difference yet",
  loop: "Loop",
  baseline: "Baseline",
  baselineAway: "Baseline stopped",
  inNetwork: "In the network",
  waiting: "Waiting outside",
  finished: "Arrived",
  vehicles: "Vehicles",
  chart: "Mean travel time over the run, loop and baseline",
  chartEmpty: "The lines begin after the first arrivals.",
  map: "Junctions and queues",
  approximate: "Position on Earth approximate",
  queueScale: "Queue per lane",
  local: "local plan",
  centre: "centre",
  operator: "operator",
  inCharge: "In charge",
  stages: ["Green", "Yellow", "All-red", "Flashing"],
  phase: "Phase",
  phaseNow: (phase: number, age: string) => `Phase ${phase}, green for ${age}`,
  phaseNext: (stage: string, age: string, phase: number) => `${stage} for ${age}, then phase ${phase}`,
  flashing: (age: string) => `Flashing for ${age}`,
  queued: "Queued",
  queuedOf: (queued: number, all: number) => `${queued} of ${all} halting`,
  approaches: ["east", "north-east", "north", "north-west", "west", "south-west", "south", "south-east"],
  from: (side: string) => `From ${side}`,
  close: "Close",
  operations: { hold: "Hold", lock_out: "Lock out", flash: "Flash", release: "Release" },
  operationHelp: {
    hold: "The junction stays in this phase until you release it or the time is over.",
    lock_out: "The junction runs its local plan and takes no orders from loops.",
    flash: "The signals flash: drivers give way as at a junction without signals.",
    release: "The junction takes orders from its loop again.",
  },
  operateTitle: (action: string, name: string) => `${action} ${name}?`,
  forMinutes: "Minutes",
  holdPhase: "Phase to hold",
  cancel: "Cancel",
  loops: "Loops",
  mode: (group: string) => `Mode of group ${group}`,
  modes: { observe: "Observe", shadow: "Shadow", advise: "Advise", act: "Act" },
  modeHelp: {
    observe: "watches only",
    shadow: "decides, does not act",
    advise: "a person confirms",
    act: "acts by itself",
  },
  junctionCount: (count: number) => `${count} junctions`,
  actTitle: (group: string) => `Let the loop act on group ${group}?`,
  actHelp: "Acting needs the shadow result that justifies it. It is kept with the change.",
  shadowResult: "Shadow result",
  shadowExample: "e.g. 2 h in shadow: 12 s shorter trips, no refusals",
  advice: "Waits for you",
  confirm: "Confirm",
  reject: "Reject",
  decisions: "Decisions",
  all: "All",
  refused: "Refused",
  newer: (count: number) => `${count} newer: show`,
  noDecisions: "No decision yet. The loop decides once the first second is in.",
  noneRefused: "The guard refused nothing so far.",
  noneHere: "No decision for this junction yet.",
  missed: "Some decisions were missed here; the list was read again.",
  actions: {
    set_phase: "Phase",
    hold: "Hold phase",
    lock_out: "Lock out",
    flash: "Flash",
    release: "Release",
  } as Record<string, string>,
  verdicts: {
    passed: "passed",
    observe: "observed",
    shadow: "shadow",
    advise: "proposed",
    confirmed: "confirmed",
    rejected: "rejected",
    lapsed: "lapsed",
    overtaken: "overtaken",
  } as Record<string, string>,
  counters: "Counters",
  observations: "Observations",
  perSecond: "per second",
  rejected: "Rejected",
  refusals: "Orders refused",
  fallbacks: "Fallbacks",
  latency: "Loop latency p50 / p99",
  secondsUnit: "s",
};

export type Words = typeof en;

const zh: Words = {
  live: "实时",
  paused: "已暂停",
  loading: "正在读取城市数据…",
  nothingYet: "暂无数据：本次运行的第一秒尚未到达。",
  nothingYetAdvice: "首次启动时，孪生体需要几秒钟构建路网。",
  stale: (age) => `已有 ${age} 没有新数据，下方画面停留在那时。`,
  staleAdvice: "孪生体或中枢繁忙或已停止；/health/ready 会指出是哪一部分。",
  disconnected: (age) => `连接已断开，下方画面是 ${age} 前的。`,
  disconnectedAdvice: "正在自动重连。若持续如此，请查看运行 make run 的终端。",
  hubAway: "中枢离线，所有路口按本地方案运行。",
  hubAwayAdvice: "中枢会自动重启；在此之前不接受指令。",
  failed: "城市没有应答。",
  failedAdvice: "请确认 cityloop 仍在运行，然后重试。",
  again: "重试",
  dismiss: "关闭",
  language: "English",
  languageLabel: "Switch to English",
  cityTime: "城市时间",
  run: "运行",
  speed: "速度",
  max: "最快",
  pause: "暂停",
  resume: "继续",
  step: "单步 1 秒",
  measures: "指标",
  travelTime: "平均行程时间",
  travelTimeUnit: "平均行程时间（秒）",
  difference: "闭环对比基准",
  perTrip: "每次出行",
  interval: (low, high) => `95% 区间 ${low} 至 ${high} 秒`,
  noInterval: "运行一刻钟后给出区间。",
  early: "为时尚早，无法判断",
  better: "行程短于基准",
  worse: "行程长于基准",
  unclear: "尚无明显差异",
  loop: "闭环",
  baseline: "基准",
  baselineAway: "基准已停止",
  inNetwork: "路网内",
  waiting: "网外等候",
  finished: "已到达",
  vehicles: "车辆",
  chart: "本次运行的平均行程时间：闭环与基准",
  chartEmpty: "首批车辆到达后开始绘制曲线。",
  map: "路口与排队",
  approximate: "地理位置为近似值",
  queueScale: "每车道排队",
  local: "本地方案",
  centre: "中心",
  operator: "操作员",
  inCharge: "控制方",
  stages: ["绿灯", "黄灯", "全红", "闪烁"],
  phase: "相位",
  phaseNow: (phase, age) => `相位 ${phase}，绿灯已持续 ${age}`,
  phaseNext: (stage, age, phase) => `${stage}已持续 ${age}，随后为相位 ${phase}`,
  flashing: (age) => `闪烁已持续 ${age}`,
  queued: "排队",
  queuedOf: (queued, all) => `${all} 辆中 ${queued} 辆停车`,
  approaches: ["东", "东北", "北", "西北", "西", "西南", "南", "东南"],
  from: (side) => `${side}进口`,
  close: "关闭",
  operations: { hold: "保持相位", lock_out: "锁定", flash: "黄闪", release: "释放" },
  operationHelp: {
    hold: "路口保持在该相位，直到您释放或时间结束。",
    lock_out: "路口按本地方案运行，不接受闭环指令。",
    flash: "信号灯闪烁：驾驶员按无信号路口让行。",
    release: "路口重新接受闭环指令。",
  },
  operateTitle: (action, name) => `${action}：${name}？`,
  forMinutes: "分钟数",
  holdPhase: "要保持的相位",
  cancel: "取消",
  loops: "闭环",
  mode: (group) => `${group} 组的模式`,
  modes: { observe: "观察", shadow: "影子", advise: "建议", act: "执行" },
  modeHelp: {
    observe: "只观察",
    shadow: "只决策，不执行",
    advise: "由人确认",
    act: "自动执行",
  },
  junctionCount: (count) => `${count} 个路口`,
  actTitle: (group) => `允许闭环在 ${group} 组执行？`,
  actHelp: "执行模式需要影子运行结果作为依据，该结果会随变更一并记录。",
  shadowResult: "影子运行结果",
  shadowExample: "例如：影子运行 2 小时，行程缩短 12 秒，无拒绝",
  advice: "等待您确认",
  confirm: "确认",
  reject: "否决",
  decisions: "决策",
  all: "全部",
  refused: "被拒绝",
  newer: (count) => `${count} 条新决策：显示`,
  noDecisions: "暂无决策。第一秒数据到达后闭环开始决策。",
  noneRefused: "到目前为止，安全守卫没有拒绝任何决策。",
  noneHere: "该路口暂无决策。",
  missed: "部分决策曾被遗漏，列表已重新读取。",
  actions: { set_phase: "相位", hold: "保持相位", lock_out: "锁定", flash: "黄闪", release: "释放" },
  verdicts: {
    passed: "通过",
    observe: "仅观察",
    shadow: "影子",
    advise: "待议",
    confirmed: "已确认",
    rejected: "已否决",
    lapsed: "已失效",
    overtaken: "已被取代",
  },
  counters: "计数",
  observations: "观测",
  perSecond: "每秒",
  rejected: "拒收",
  refusals: "被拒指令",
  fallbacks: "回退",
  latency: "闭环延迟 p50 / p99",
  secondsUnit: "秒",
};

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
  private readonly whole: Intl.NumberFormat;

  constructor(
    readonly language: Language,
    readonly timeZone: string,
  ) {
    this.words = language === "zh" ? zh : en;
    this.tag = language === "zh" ? "zh-CN" : "en-GB";
    const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit" } as const;
    this.time = new Intl.DateTimeFormat(this.tag, { ...clock, hourCycle: "h23", timeZone });
    this.date = new Intl.DateTimeFormat(this.tag, { dateStyle: "medium", timeZone });
    this.whole = new Intl.NumberFormat(this.tag, { maximumFractionDigits: 0 });
  }

  clock(iso: string): string {
    return this.time.format(new Date(iso));
  }

  day(iso: string): string {
    return this.date.format(new Date(iso));
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
