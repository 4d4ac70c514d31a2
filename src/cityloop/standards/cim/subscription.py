"""Subscriptions (GS CIM 009, 5.2.12 to 5.2.15, 5.2.22, 5.2.33): read, changed, written back.

The kept form of a subscription is a plain dict of the standard's members. Names of types and
attributes are expanded in it; texts of query languages stay as they were given.
"""

from typing import Any, TypeAlias

from cityloop.standards.cim.problems import bad_request
from cityloop.standards.cim.selection.ast import Selection, Selector
from cityloop.standards.cim.selection.geo import read_geo
from cityloop.standards.cim.selection.q import Names, read_q
from cityloop.standards.cim.selection.scopes import read_scopes
from cityloop.standards.cim.selection.types import read_types
from cityloop.standards.cim.subscription_members import (
    compacted,
    decoded,
    json_object,
    read_members,
)
from cityloop.standards.cim.terms import Terms
from cityloop.standards.cim.times import read_datetime

Subscribed: TypeAlias = dict[str, Any]
"""The kept form of a subscription."""

USUAL_TRIGGERS = ["attributeCreated", "attributeUpdated"]
"""What triggers a notification where a subscription does not say (5.2.12)."""

_CORE = "https://uri.etsi.org/ngsi-ld/"


def read_subscription(body: Any, terms: Terms, now: int) -> Subscribed:
    """The subscription of a request; raises Problem (BadRequestData).

    ``now``: ms of wall time. What only the broker may say (Table 5.2.12-2) is passed over.
    """
    json_object(body, "the subscription")
    subscription = {
        name: value for name, value in read_members(body, terms).items() if value is not None
    }
    _check_whole(subscription, now)
    return subscription


def changed_subscription(old: Subscribed, fragment: Any, terms: Terms, now: int) -> Subscribed:
    """``old`` with the members of ``fragment`` in place of its own (5.8.2); a null removes one.

    Raises Problem (BadRequestData), also where what would stand then is no subscription.
    """
    json_object(fragment, "the fragment")
    if fragment.get("id", old["id"]) != old["id"]:
        raise bad_request("The id of a subscription cannot be changed.")
    members = read_members(fragment, terms)
    changed = {**old, **members}
    changed = {name: value for name, value in changed.items() if value is not None}
    _check_whole(changed, now if "expiresAt" in members else 0)
    return changed


def _check_whole(subscription: Subscribed, now: int) -> None:
    """What members demand of one another (5.8.1.4)."""
    if subscription.get("type") != "Subscription":
        raise bad_request('A subscription has the member "type": "Subscription".')
    if "notification" not in subscription:
        raise bad_request("A subscription says in 'notification' where its news go.")
    if not {"entities", "watchedAttributes"} & subscription.keys():
        raise bad_request("A subscription has 'entities' or 'watchedAttributes', or both.")
    if {"timeInterval", "throttling"} <= subscription.keys():
        raise bad_request("'timeInterval' and 'throttling' exclude each other.")
    expires = subscription.get("expiresAt")
    if expires and read_datetime(expires) <= now:
        raise bad_request(f"'expiresAt' {expires} is past.")


def status(subscription: Subscribed, now: int) -> str:
    """``active``, ``paused`` or ``expired`` at ``now`` (5.2.12)."""
    expires = subscription.get("expiresAt")
    if expires and read_datetime(expires) <= now:
        return "expired"
    return "active" if subscription.get("isActive", True) else "paused"


def write_subscription(
    subscription: Subscribed, terms: Terms, now: int, told: dict[str, Any] | None = None
) -> dict[str, Any]:
    """As a client reads it (5.8.3); ``told``: what there is to say of its notifications so far."""
    body = {**subscription, "notificationTrigger": triggers(subscription)}
    if "entities" in body:
        body["entities"] = [
            {**selector, "type": compacted(selector["type"], terms)}
            for selector in body["entities"]
        ]
    if "watchedAttributes" in body:
        body["watchedAttributes"] = [compacted(name, terms) for name in body["watchedAttributes"]]
    if "geoproperty" in body.get("geoQ", ()):
        named = terms.compact(body["geoQ"]["geoproperty"])
        body["geoQ"] = {**body["geoQ"], "geoproperty": named}
    notification = {**body.pop("notification"), **(told or {})}
    for name in {"attributes", "pick", "omit"} & notification.keys():
        notification[name] = [compacted(item, terms) for item in notification[name]]
    return {**body, "status": status(subscription, now), "notification": notification}


def triggers(subscription: Subscribed) -> list[str]:
    """What makes it notify."""
    given: list[str] = subscription.get("notificationTrigger", USUAL_TRIGGERS)
    return given


def selectors(subscription: Subscribed) -> tuple[Selector, ...]:
    """Which entities it is about; none: any."""
    return tuple(_selected(entity) for entity in subscription.get("entities", ()))


def _selected(entity: dict[str, Any]) -> Selector:
    ids = entity.get("id", ())
    types = None if entity["type"] == "*" else read_types(entity["type"], str)
    return Selector(
        (ids,) if isinstance(ids, str) else tuple(ids), entity.get("idPattern", ""), types
    )


def conditions(subscription: Subscribed, terms: Terms) -> Selection | None:
    """What it asks of an entity beyond ``selectors``; None for nothing.

    ``terms``: what its ``q`` was written with.
    """
    q, geo, scope = (subscription.get(name) for name in ("q", "geoQ", "scopeQ"))
    if not (q or geo or scope):
        return None
    return Selection(
        q=read_q(decoded(q), Names(terms.expand, terms.expand_value)) if q else None,
        geo=_read_geo(geo) if geo else None,
        scope=read_scopes(scope) if scope else None,
    )


def _read_geo(query: dict[str, Any]) -> Any:
    attribute = query.get("geoproperty", _CORE + "location")
    return read_geo(query["georel"], query["geometry"], query["coordinates"], attribute)
