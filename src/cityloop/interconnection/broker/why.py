"""Why a subscription was told of an entity's last write, or was not: an answer for people."""

from typing import Any, NamedTuple

from cityloop.interconnection.broker.deliveries import Delivery
from cityloop.interconnection.broker.following import Follower
from cityloop.interconnection.broker.latest import Seen, Situation
from cityloop.interconnection.broker.matching import watcher
from cityloop.standards.cim.explaining import Check, explained
from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.notification import EVENTS
from cityloop.standards.cim.selection.memory import Lookup
from cityloop.standards.cim.subscription import status, triggers
from cityloop.standards.cim.terms import Terms
from cityloop.standards.cim.times import write_datetime


class Verdict(NamedTuple):
    """``word``: for programs; ``answer``: a sentence for people."""

    word: str
    answer: str


def why(
    follower: Follower,
    id_: str,
    known: Situation,
    terms: Terms,
    changed_at: int,
    linked: Lookup,
) -> dict[str, Any]:
    """The answer, names written with ``terms``; ``changed_at``: when the subscription was made or
    changed last [ms of wall time]. What the matching asks is asked here by the same code.
    """
    checks: list[Check] = []
    seen, kept = known.seen, known.kept
    if kept is not None:
        checks += explained(follower.subscription, kept, terms, follower.asked, linked)
    if kept is not None and seen is not None and "timeInterval" not in follower.subscription:
        checks += _trigger_checks(follower, seen, kept, terms)
    verdict = _verdict(follower, id_, known, checks, changed_at)
    name = follower.subscription.get("subscriptionName")
    return {
        "subscriptionId": follower.subscription["id"],
        **({"subscriptionName": name} if name else {}),
        "entityId": id_,
        "verdict": verdict.word,
        "answer": verdict.answer,
        "checks": [check._asdict() for check in checks],
        **({"lastWrite": _last_write(seen, terms)} if seen else {}),
        "deliveries": _deliveries(known),
    }


def _trigger_checks(follower: Follower, seen: Seen, kept: Kept, terms: Terms) -> list[Check]:
    """What has to happen, and what did at the last write."""
    what, wanted = seen.what, triggers(follower.subscription)
    asking = watcher(follower.s, follower.subscription, None)
    happened = [name for name, bits in EVENTS.items() if bits & what.events]
    asked, had = ", ".join(wanted), ", ".join(happened) or "nothing"
    checks = [Check("notificationTrigger", asked, had, bool(asking.events & what.events))]
    if asking.watched:
        changed = sorted(map(terms.compact, {*what.created, *what.updated, *what.deleted}))
        watched = ", ".join(sorted(map(terms.compact, asking.watched)))
        had = ", ".join(changed) or "no attribute"
        checks.append(Check("watchedAttributes", watched, had, asking.wants(what, kept)))
    return checks


def _verdict(
    follower: Follower, id_: str, known: Situation, checks: list[Check], changed_at: int
) -> Verdict:
    seen, subscription = known.seen, follower.subscription
    if known.kept is None or seen is None:
        return Verdict("noEntity", f"There is no entity {id_}, and no deletion of it is known.")
    active = status(subscription, known.now)
    if active == "expired":
        return Verdict("expired", f"The subscription expired at {subscription['expiresAt']}.")
    if active == "paused":
        return Verdict("paused", "The subscription is paused: isActive is false.")
    failed = [check for check in checks if not check.holds]
    if failed:
        return _mismatch(failed)
    if "timeInterval" in subscription:
        every = f"It is told every {subscription['timeInterval']:g} s, whatever changes"
        return Verdict("periodic", f"{every}; last at {_moment(known.delivery.last_notification)}.")
    if _precedes(seen, follower, changed_at):
        since = f"was made or changed at {write_datetime(changed_at)}, after that"
        return Verdict("beforeSubscription", f"{_wrote(seen)}; the subscription {since}.")
    if _came_too_soon(seen, follower, known.delivery):
        gap = f"{subscription['throttling']:g} s after another notification"
        return Verdict("throttled", f"{_wrote(seen)}, less than {gap}; the next change is told.")
    return _delivered(seen, known)


_TRIGGERS = ("notificationTrigger", "watchedAttributes")


def _mismatch(failed: list[Check]) -> Verdict:
    parts = "; ".join(f"{check.part} asks for {check.asks}, it has {check.has}" for check in failed)
    if all(check.part in _TRIGGERS for check in failed):
        return Verdict("notTriggered", f"The last write does not trigger it: {parts}.")
    return Verdict("notMatching", f"The entity is not what it asks for: {parts}.")


def _precedes(seen: Seen, follower: Follower, changed_at: int) -> bool:
    if seen.position is None:
        return seen.at < changed_at
    return seen.position <= follower.since


def _came_too_soon(seen: Seen, follower: Follower, delivery: Delivery) -> bool:
    if seen.position is not None:
        return follower.s in seen.throttled
    return 0 < seen.at - delivery.last_notification < follower.throttle_ms


def _delivered(seen: Seen, known: Situation) -> Verdict:
    told = known.delivery
    if known.waits and (known.again or told.last_failure > told.last_success):
        again = f"; it is tried again at {write_datetime(known.again)}" if known.again else ""
        error = f"the last attempt failed: {told.error}" if told.error else "others go first"
        return Verdict("failing", f"It waits since {write_datetime(known.waits)}: {error}{again}.")
    if known.waits:
        return Verdict("pending", f"It waits in the outbox since {write_datetime(known.waits)}.")
    if told.dropped_from <= seen.at <= told.dropped_to:
        return Verdict("dropped", f"{_wrote(seen)}; that notification was dropped: {told.error}.")
    if told.last_success >= seen.at:
        by = write_datetime(told.last_success)
        return Verdict("sent", f"{_wrote(seen)}; the subscriber has taken it, by {by}.")
    return Verdict("unknown", f"{_wrote(seen)}; what became of its notification is not known.")


def _wrote(seen: Seen) -> str:
    return f"The last write was at {write_datetime(seen.at)}"


def _moment(at: int) -> str:
    return write_datetime(at) if at else "no time yet"


def _last_write(seen: Seen, terms: Terms) -> dict[str, Any]:
    what = seen.what
    changed = {"created": what.created, "updated": what.updated, "deleted": what.deleted}
    return {"at": write_datetime(seen.at)} | {
        name: sorted(map(terms.compact, names)) for name, names in changed.items()
    }


def _deliveries(known: Situation) -> dict[str, Any]:
    again = {"nextAttempt": write_datetime(known.again)} if known.again else {}
    return told_of(known.delivery, known.pending) | again


def told_of(known: Delivery, pending: int) -> dict[str, Any]:
    """What there is to say of a subscription's notifications (Table 5.2.14.2-1, and more)."""
    told: dict[str, Any] = {}
    if known.sent:
        failed = known.last_failure > known.last_success
        told = {"status": "failed" if failed else "ok"} | (
            {"lastError": known.error} if failed else {}
        )
    moments = {
        "lastNotification": known.last_notification,
        "lastSuccess": known.last_success,
        "lastFailure": known.last_failure,
    }
    counts = {
        "timesSent": known.sent,
        "timesFailed": known.failed,
        "pending": pending,
        "throttled": known.throttled,
        "dropped": known.dropped,
    }
    told |= {name: write_datetime(at) for name, at in moments.items() if at}
    return told | {name: count for name, count in counts.items() if count}
