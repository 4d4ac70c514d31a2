"""What is a subscription, what is none, and what becomes of one that is changed (CIM 5.2.12)."""

from typing import Any

import pytest

from cityloop.interconnection.broker.contexts import CORE_TERMS
from cityloop.standards.cim.problems import Problem
from cityloop.standards.cim.subscription import (
    changed_subscription,
    read_subscription,
    selectors,
    status,
    write_subscription,
)

NOW = 1_800_000_000_000
SIMPLE = {"format": "keyValues"}
PAST, FUTURE = "2026-01-01T00:00:00Z", "2028-01-01T00:00:00Z"


def body(**members: Any) -> dict[str, Any]:
    return {
        "id": "urn:x:s",
        "type": "Subscription",
        "entities": [{"type": "Lamp"}],
        "notification": {"endpoint": {"uri": "http://127.0.0.1:1/"}},
    } | members


def read(**members: Any) -> dict[str, Any]:
    return read_subscription(body(**members), CORE_TERMS, NOW)


def why_not(**members: Any) -> str:
    with pytest.raises(Problem) as told:
        read(**members)
    return str(told.value)


def to(uri: object) -> dict[str, Any]:
    return {"endpoint": {"uri": uri}}


def test_what_a_client_wrote_it_reads_again_with_what_goes_without_saying() -> None:
    given = body(
        subscriptionName="lamps",
        entities=[{"type": "(Lamp;Post)", "idPattern": "^urn:x:"}],
        watchedAttributes=["level"],
        q='level>3;name=="a"',
        notification={**to("mqtts://host/topic"), "attributes": ["level"], "format": "concise"},
    )
    told = write_subscription(read_subscription(given, CORE_TERMS, NOW), CORE_TERMS, NOW)
    usual = {"notificationTrigger": ["attributeCreated", "attributeUpdated"], "status": "active"}
    assert told == given | usual


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"type": "Abonnement"}, "Abonnement"),
        ({"entities": None}, "'entities' or 'watchedAttributes'"),
        ({"entities": []}, "entities"),
        ({"entities": [{"id": "urn:x:1"}]}, "type"),
        ({"entities": [{"type": "Lamp", "id": "no uri"}]}, "no uri"),
        ({"entities": [{"type": "Lamp", "idPattern": "("}]}, "("),
        ({"notification": None}, "'notification'"),
        ({"notification": {}}, "endpoint"),
        ({"notification": to("ftp://host/")}, "ftp://host/"),
        ({"notification": to(7)}, "uri"),
        ({"notification": {**to("http://h/"), "format": "xml"}}, "xml"),
        ({"notification": {**to("http://h/"), "showChanges": True, **SIMPLE}}, "5.2.14"),
        ({"notification": {**to("http://h/"), "pick": ["a"], "omit": ["a"]}}, "4.21"),
        ({"q": "level>"}, ""),
        ({"watchedAttributes": ["level", 4]}, "watchedAttributes"),
        ({"notificationTrigger": ["entityMoved"]}, "entityMoved"),
        ({"throttling": 0}, "greater than 0"),
        ({"throttling": True}, "throttling"),
        ({"throttling": 5, "timeInterval": 5}, "exclude"),
        ({"expiresAt": "tomorrow"}, "expiresAt"),
        ({"expiresAt": PAST}, "past"),
        ({"isActive": "yes"}, "isActive"),
        ({"geoQ": {"georel": "near", "geometry": "Point", "coordinates": [0, 0]}}, ""),
    ],
)  # fmt: skip
def test_what_is_no_subscription_is_refused_by_name(members: dict[str, Any], named: str) -> None:
    assert named in why_not(**members)


@pytest.mark.parametrize("pair", [{"key": "a b", "value": "c"}, {"key": "a", "value": "b\r\nX: y"}])
def test_no_header_can_be_smuggled_into_a_notification(pair: dict[str, str]) -> None:
    endpoint = {"uri": "http://h/", "receiverInfo": [pair]}
    assert "cannot be sent as a header" in why_not(notification={"endpoint": endpoint})


def test_what_only_the_broker_may_say_is_passed_over() -> None:
    assert "status" not in read(status="paused", timesSent=7)


def test_a_change_replaces_members_and_a_null_removes_them() -> None:
    old = read(throttling=5, q="level>3")
    changed = changed_subscription(old, {"q": "level>4", "throttling": None}, CORE_TERMS, NOW)
    assert changed["q"] == "level>4"
    assert "throttling" not in changed
    assert changed["entities"] == old["entities"]


def test_a_change_that_leaves_no_subscription_changes_nothing() -> None:
    old = read(throttling=5)
    for fragment in ({"timeInterval": 9}, {"entities": None}, {"id": "urn:x:other"}, []):
        with pytest.raises(Problem):
            changed_subscription(old, fragment, CORE_TERMS, NOW)
    assert old == read(throttling=5)


def test_one_that_has_expired_may_be_paused_and_may_be_given_more_time() -> None:
    old = read(expiresAt=FUTURE)
    later = NOW + 10 * 365 * 86_400_000
    assert status(old, later) == "expired"
    assert not changed_subscription(old, {"isActive": False}, CORE_TERMS, later)["isActive"]
    with pytest.raises(Problem):
        changed_subscription(old, {"expiresAt": PAST}, CORE_TERMS, NOW)


def test_an_asterisk_is_every_type() -> None:
    (one,) = selectors(read(entities=[{"type": "*", "id": ["urn:x:1", "urn:x:2"]}]))
    assert one.types is None
    assert one.ids == ("urn:x:1", "urn:x:2")
