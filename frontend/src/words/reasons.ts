// Why something was decided, and why it was refused: a sentence per code of `why` and per verdict
// (docs/reference/decisions.md lists them). The record holds the English sentence itself, so only
// other languages are written here; English has the same keys for what its sentence lacks.

import type { Told, WhyNumbers } from "../shapes";

type Sentence = (numbers: WhyNumbers) => string;

const n = (numbers: WhyNumbers, name: string): string => {
  const value = numbers[name] ?? "–";
  return typeof value === "number" ? String(Math.round(value * 100) / 100) : value;
};

const percent = (numbers: WhyNumbers, name: string): string => `${n({ share: Number(numbers[name]) * 100 }, "share")}%`;
const where = (numbers: WhyNumbers): string => `方案 ${n(numbers, "plan")}，路口 ${n(numbers, "junction")}：`;
const zhStates: Record<string, string> = { unacknowledged: "未确认", acknowledged: "已确认", returned: "已消除", shelved: "已搁置", closed: "已关闭" };

const zhReasons: Record<string, Sentence> = {
  minimum_green_runs: (d) => `保持相位 ${n(d, "phase")}：最小绿灯时间未到。`,
  serves_most: (d) => `保持相位 ${n(d, "phase")}：每秒放行 ${n(d, "rate_now")} 辆，其他相位不会更多。`,
  serves_more: (d) =>
    `切换到相位 ${n(d, "wanted")}（排队 ${n(d, "queued")} 辆）：计入切换损失 ${n(d, "lost_s")} 秒，每秒可放行 ` +
    `${n(d, "rate_wanted")} 辆；相位 ${n(d, "phase")} 为 ${n(d, "rate_now")} 辆。`,
  pressure_runs: (d) => `保持相位 ${n(d, "phase")}：最小绿灯 ${n(d, "least_s")} 秒已过 ${n(d, "age_s")} 秒。`,
  pressure_highest: (d) => `保持相位 ${n(d, "phase")}：其压力最高，为 ${n(d, "pressure")} 辆。`,
  pressure_higher: (d) =>
    `切换到相位 ${n(d, "wanted")}：压力 ${n(d, "pressure_wanted")} 辆，相位 ${n(d, "phase")} 为 ${n(d, "pressure_now")} 辆。`,
  advice_confirmed: () => "已由人员确认。",
  advice_rejected: () => "已由人员否决。",
  advice_lapsed: (d) => `${n(d, "waited_s")} 秒内无人确认。`,
  advice_overtaken: () => "被同一路口更新的建议取代。",
  operator_hold: (d) => `操作员保持相位 ${n(d, "phase")}，${n(d, "minutes")} 分钟。`,
  operator_lock_out: (d) => `操作员锁定路口，${n(d, "minutes")} 分钟。`,
  operator_flash: (d) => `操作员命令黄闪，${n(d, "minutes")} 分钟。`,
  operator_release: () => "操作员交还路口。",
  cabinet_stayed: (d) => `信号机保持相位 ${n(d, "phase")}。`,
  // why a command was refused
  no_signal_yet: () => "尚无信号机上报，请等待下一秒。",
  source_not_connected: (d) => `数据源 ${n(d, "source")} 未连接，请先查看其状态。`,
  nothing_to_try: (d) => `数据源 ${n(d, "source")} 没有可以重试的此类拒收数据。`,
  step_wants_pause: () => "只有暂停后才能单步运行，请先暂停。",
  version_runs: (d) => `${n(d, "loop")} 已在运行版本 ${n(d, "version")}。`,
  nothing_runs: () => "尚未开始运行，请等待第一秒。",
  alarm_not_now: (d) => `该告警（${zhStates[n(d, "state")] ?? n(d, "state")}）不能再这样处理，请重新查看。`,
  advice_gone: () => "该建议已不再等待：已答复、被取代或已过期。",
  lease_held_by: (d) => `${n(d, "actuator")} 由 ${n(d, "holder")} 控制，至 ${n(d, "until")}；请等待或请对方释放。`,
  shadow_needed: (d) => `${n(d, "loop")} 须有达标的影子结果才能在 ${n(d, "group")} 执行；请让它继续以影子模式决策，或注明依据。`,
  shadow_short: (d) => `已决策 ${n(d, "minutes")} 分钟，要求 ${n(d, "least")} 分钟。`,
  shadow_nothing: () => "尚未提出任何建议。",
  shadow_refused: (d) => `${percent(d, "share")} 的建议被防护拒绝，上限为 ${percent(d, "most")}。`,
  shadow_failed: (d) => `出错 ${n(d, "failures")} 次，请修复后重新开始试运行。`,
  plan_twice: (d) => `方案 ${n(d, "plan")} 出现两次，请各用不同编号。`,
  plan_junction_twice: (d) => `方案 ${n(d, "plan")} 两次列出路口 ${n(d, "junction")}。`,
  entry_no_plan: (d) => `日历第 ${n(d, "entry")} 条调用方案 ${n(d, "plan")}，但现有方案为：${n(d, "there")}。`,
  entry_ends_first: (d) => `日历第 ${n(d, "entry")} 条在开始之前（${n(d, "last")}）就已结束。`,
  plan_no_junction: (d) => `${where(d)}没有这个信号路口。`,
  plan_no_phase: (d) => `${where(d)}没有相位 ${n(d, "phase")}，只有 0 到 ${n(d, "last")}。`,
  plan_phase_twice: (d) => `${where(d)}同一相位出现两次，每个相位只能有一段绿灯。`,
  plan_short_green: (d) => `${where(d)}相位 ${n(d, "phase")} 的绿灯 ${n(d, "green_s")} 秒低于最小绿灯 ${n(d, "least_s")} 秒。`,
  plan_out_of_order: (d) => `${where(d)}相序固定，请按顺序列出全部相位。`,
  plan_unserved: (d) => `${where(d)}没有相位放行车流 ${n(d, "link")}（${n(d, "lane")} 至 ${n(d, "to")}）。`,
  plan_long_red: (d) => `${where(d)}车流 ${n(d, "link")} 的红灯将达 ${n(d, "red_s")} 秒，最大红灯为 ${n(d, "most_s")} 秒。`,
  keep_raw_longer: (d) => `${n(d, "type")}：原样保留 ${n(d, "raw")} 长于总保留期 ${n(d, "kept")}。`,
  keep_events: (d) => `${n(d, "type")} 是事件，每一条都算数，不能抽稀。`,
  keep_record: (d) => `${n(d, "type")} 是记录：至少原样保留 ${n(d, "raw")}，共保留 ${n(d, "kept")}。`,
};

/** What a status says where no reason has words, and what to do about any. */
const zhProblems: Record<number, [what: string | undefined, advice: string]> = {
  404: ["所请求的内容不存在。", "请在列表中查看现有内容。"],
  409: [undefined, "未做任何更改。"],
  422: ["填写的内容不符合要求。", "请检查后重试。"],
  500: ["服务器处理此请求时出错。", "这是 cityloop 的缺陷，请连同服务器日志一并报告。"],
  503: ["相应部分暂时无法应答。", "未做任何更改，请稍后重试。"],
};

const zhRefusals: Record<string, string> = {
  unknown_phase: "该路口没有此相位。",
  operators_only: "只有操作员可以释放、黄闪或锁定。",
  expired: "指令已过期。",
  from_the_future: "指令的签发时间晚于现在。",
  old_epoch: "信号机已知更新的中心纪元。",
  locked_out: "操作员已锁定该路口。",
  lease_held: "更高优先级正在控制该路口。",
  already_taken: "已接受同类且同时或更晚签发的指令。",
  in_clearance: "路口正在清空，既不缩短也不改向。",
  minimum_green: "绿灯尚未达到最小时长。",
  fixed_order: "方案规定了相序，下一个是别的相位。",
  maximum_red: "另一相位已到时，否则有车流等待会超过最大红灯时间。",
  pedestrian_call: "该相位再次开始前，须先放行已请求的过街。",
  unobserved: "近期没有收到该信号机的状态。",
};

/** What a person did, of an entry of the shift log: a sentence per kind of entry. */
type Act = (data: Told) => string;

const t = (data: Told, name: string): string => {
  const value = data[name];
  if (Array.isArray(value)) return value.join("、");
  return typeof value === "string" || typeof value === "number" ? String(value) : "–";
};

const zhModes: Record<string, string> = { observe: "观察", shadow: "影子", advise: "建议", act: "执行" };
const zhHandled: Record<string, string> = {
  acknowledged: "确认",
  shelved: "搁置",
  unshelved: "恢复",
  escalated: "上报",
};

const zhActs: Record<string, Act> = {
  mode: (d) => `${t(d, "loop")} 在 ${t(d, "group")} 可${zhModes[t(d, "mode")] ?? t(d, "mode")}。`,
  hold: (d) => `${t(d, "junction")}：保持相位 ${t(d, "phase")}，${t(d, "minutes")} 分钟。`,
  lock_out: (d) => `${t(d, "junction")}：锁定 ${t(d, "minutes")} 分钟。`,
  flash: (d) => `${t(d, "junction")}：黄闪 ${t(d, "minutes")} 分钟。`,
  release: (d) => `${t(d, "junction")}：交还。`,
  advice: (d) => `${t(d, "loop")} 对 ${t(d, "junction")} 的建议已${d.confirmed === true ? "确认" : "否决"}。`,
  version: (d) => `${t(d, "loop")} 换用版本 ${t(d, "version")}：${t(d, "reason")}`,
  plans: (d) => ("entries" in d ? `方案日历已更换：${t(d, "entries")} 条。` : `分时段方案已更换：${t(d, "plans")}`),
  retention: (d) => `数据保留规则已更改：${t(d, "types")}`,
  rejects: (d) => `重新读取 ${t(d, "source")} 被拒收的数据。`,
};

const en: { reasons: Record<string, Sentence>; refusalsBy: Record<string, string>; acts: Record<string, Act>; handled: Record<string, string>; problems: Record<number, [what: string | undefined, advice: string]> } = {
  reasons: {},
  refusalsBy: {},
  acts: {},
  handled: {},
  problems: {},
};
const zh: typeof en = { reasons: zhReasons, refusalsBy: zhRefusals, acts: zhActs, handled: zhHandled, problems: zhProblems };

export const reasonWords = { en, zh };
