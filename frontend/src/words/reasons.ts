// Why something was decided, and why it was refused: a sentence per code of `why` and per verdict
// (docs/reference/decisions.md lists them). The record holds the English sentence itself, so only
// other languages are written here; English has the same keys for what its sentence lacks.

import type { Told, WhyNumbers } from "../shapes";

type Sentence = (numbers: WhyNumbers) => string;

const n = (numbers: WhyNumbers, name: string): string => {
  const value = numbers[name] ?? "–";
  return typeof value === "number" ? String(Math.round(value * 100) / 100) : value;
};

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

const en: { reasons: Record<string, Sentence>; refusalsBy: Record<string, string>; acts: Record<string, Act>; handled: Record<string, string> } = {
  reasons: {},
  refusalsBy: {},
  acts: {},
  handled: {},
};
const zh: typeof en = { reasons: zhReasons, refusalsBy: zhRefusals, acts: zhActs, handled: zhHandled };

export const reasonWords = { en, zh };
