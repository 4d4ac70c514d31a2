// The shapes of what the city tells and takes, by the names this page gives them. All follow from the
// API's own description (schema.d.ts is made of it by `make types`): no shape is written by hand.

import type { components, operations } from "./schema";

type Shape<Name extends keyof components["schemas"]> = components["schemas"][Name];

export type MapData = Shape<"MapData">;
export type MapJunction = Shape<"MapJunction">;
export type MapDetector = Shape<"MapDetector">;
export type MapLoop = Shape<"MapLoop">;
export type Point = Shape<"MapRoad">["shape"][number];

export type LiveState = Shape<"LiveState">;
export type JunctionState = Shape<"JunctionState">;
export type Measures = Shape<"Measures">;
export type Counters = Shape<"Counters">;
export type Vehicles = Shape<"Vehicles">;
export type Decision = Shape<"DecisionRow">;
export type WhyNumbers = Shape<"Why">["numbers"];

export type Run = Shape<"RunRow">;
export type Moment = Shape<"Moment">;
export type Timeline = Shape<"Timeline">;
export type Trend = Shape<"Trend">;
/** What the page itself keeps of a run as it goes on. */
export type Course = Partial<Trend> & Pick<Trend, "run" | "city_time" | "att_loop_s" | "att_baseline_s">;

export type Mode = Shape<"ModeChange">["mode"];
export type Operation = Shape<"Operate">["action"];
export type DriveAction = Shape<"Drive">["action"];

export type Alarm = Shape<"AlarmRow">;
export type Severity = Alarm["severity"];
export type Told = Alarm["data"];
export type ShiftEntry = Shape<"ShiftRow">;
export type NoteKind = Shape<"Note">["kind"];
export type Sensor = Shape<"SensorRow">;
export type SensorState = Sensor["state"];

export type LoopRow = Shape<"LoopRow">;
export type LoopGroup = Shape<"LoopGroup">;

export type Source = Shape<"SourceRow">;
export type Reject = Shape<"RejectRow">;

export type Plans = Shape<"PlansTold">;
export type TimePlan = Shape<"TimePlan">;
export type JunctionPlan = Shape<"JunctionPlan">;
export type Calendar = Shape<"CalendarTold">;
export type CalendarEntry = Shape<"CalendarEntry">;
export type Day = CalendarEntry["days"][number];
export type Retention = Shape<"RetentionRow">;
export type Keep = Shape<"Keep">;

export type Problem = Shape<"Problem">;

/** Every event of the stream by its name, with what it carries. */
export type StreamEvent = operations["stream"]["responses"][200]["content"]["text/event-stream"];
