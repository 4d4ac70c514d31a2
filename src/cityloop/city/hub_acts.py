"""What people ask of the hub, verb by verb."""

from typing import Any

import msgspec

from cityloop.city.clock import wall_time
from cityloop.city.hub import Effects, Hub
from cityloop.city.intake_desk import IntakeDesk
from cityloop.city.wire import Ask
from cityloop.kernel.errors import RefusedError
from cityloop.kernel.loop import Mode
from cityloop.standards.plans import Calendar, TimePlan
from cityloop.standards.retention import Keep

PLAN_ACTS = frozenset({"set_plans", "set_calendar"})
"""After these the cabinets go by other plans."""


def carry_out(ask: Ask, hub: Hub, intake: IntakeDesk) -> Effects:
    """Do what ``ask`` says; raises RefusedError with what is wrong or missing."""
    a: dict[str, Any] = ask.arguments
    hub.desk.hear_time(wall_time())
    match ask.verb:
        case "set_mode":
            mode = Mode[a["mode"].upper()]
            evidence = a["shadow_result"] or ""
            return hub.set_mode(a["loop"], a["group"], mode, evidence, a["by"])
        case "set_plans":
            return hub.set_plans(msgspec.convert(a["plans"], list[TimePlan]), a["by"])
        case "set_calendar":
            return hub.set_calendar(msgspec.convert(a["calendar"], Calendar), a["by"])
        case "set_retention":
            return hub.set_retention(msgspec.convert(a["keeps"], list[Keep]), a["by"])
        case "set_version":
            return hub.set_version(a["loop"], a["version"], a["reason"], a["by"])
        case "advise":
            return hub.answer(a["decision_id"], a["confirm"], a["by"])
        case "operate":
            act = a["action"], a["code"], a["minutes"], a["by"]
            return hub.operate(a["junction"], *act)
        case "try_again":
            return _try_again(a["source"], a["reason"], a["by"], hub, intake)
        case "attend":
            return hub.attend(a["act"], a)
    raise RefusedError(f"The hub knows no command {ask.verb}.")


def _try_again(source: str, reason: str, by: str, hub: Hub, intake: IntakeDesk) -> Effects:
    count = intake.hand_back(source, reason)
    text = f"{count} rejects of {source} are tried again{f': {reason}' if reason else ''}."
    return hub.noted("rejects", by, text, {"source": source, "reason": reason})
