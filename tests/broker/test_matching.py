"""The index of subscriptions finds whom asking every one of them would find."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cityloop.interconnection.broker.contexts import CORE_TERMS
from cityloop.interconnection.broker.matching import Matching, watcher
from cityloop.standards.cim.kept import Kept
from cityloop.standards.cim.notification import EVENTS, changes
from cityloop.standards.cim.selection.ast import Selection
from cityloop.standards.cim.selection.memory import matches
from cityloop.standards.cim.subscription import Subscribed, read_subscription, selectors

NAMES = ("a", "b", "c")
IDS = tuple(f"urn:{name}" for name in NAMES)
WHERE = {"endpoint": {"uri": "http://subscriber.example/"}}

types = st.sampled_from([*NAMES, "a|b", "(a;b)|c", "*"])
entities = st.builds(
    lambda type_, id_, pattern: {"type": type_} | id_ | pattern,
    types,
    st.sampled_from([{}, {"id": IDS[0]}, {"id": list(IDS[:2])}]),
    st.sampled_from([{}, {"idPattern": "b$"}]),
)
subscriptions = st.builds(
    lambda selectors, watched, triggers: (
        {"type": "Subscription", "notification": WHERE} | selectors | watched | triggers
    ),
    st.lists(entities, min_size=1, max_size=2).map(lambda found: {"entities": found}),
    st.lists(st.sampled_from(NAMES), max_size=2, unique=True).map(
        lambda names: {"watchedAttributes": names} if names else {}
    ),
    st.lists(st.sampled_from(list(EVENTS)), max_size=2, unique=True).map(
        lambda found: {"notificationTrigger": found} if found else {}
    ),
)
attributes = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 1), max_size=3)


def kept(id_: str, named: set[str], values: dict[str, int]) -> Kept:
    stamps = {"createdAt": 1, "modifiedAt": 1}
    attrs = {
        CORE_TERMS.expand(name): {"": {"type": "Property", "value": value} | stamps}
        for name, value in values.items()
    }
    return {"id": id_, "type": [CORE_TERMS.expand(name) for name in named], "attrs": attrs} | stamps


def concerned(subscription: Subscribed, before: Kept | None, after: Kept | None) -> bool:
    """What the standard says of one subscription, asked of it alone (5.8.6)."""
    entity = after or before
    assert entity
    if not matches(entity, Selection(selectors(subscription))):
        return False
    what = changes(before, after)
    asked = set(subscription.get("notificationTrigger", ["attributeCreated", "attributeUpdated"]))
    happened = {
        "attributeCreated": set(what.created),
        "attributeUpdated": set(what.updated),
        "attributeDeleted": set(what.deleted),
        "entityUpdated": {*what.created, *what.updated, *what.deleted},
        "entityCreated": set(entity["attrs"]) | {""} if before is None else set(),
        "entityDeleted": set(entity["attrs"]) | {""} if after is None else set(),
    }
    touched = set().union(*(happened[trigger] for trigger in asked))
    watched = set(subscription.get("watchedAttributes", touched))
    return bool(touched & watched)


@given(
    st.lists(subscriptions, max_size=6),
    st.sampled_from(IDS),
    st.sets(st.sampled_from(NAMES), min_size=1),
    st.none() | attributes,
    st.none() | attributes,
)
def test_the_index_finds_whom_asking_each_one_finds(
    bodies: list[dict[str, Any]],
    id_: str,
    named: set[str],
    old: dict[str, int] | None,
    new: dict[str, int] | None,
) -> None:
    before = None if old is None else kept(id_, named, old)
    after = None if new is None else kept(id_, named, new)
    if before is None and after is None:
        return
    matching = Matching()
    known = {key: read_subscription(body, CORE_TERMS, 0) for key, body in enumerate(bodies)}
    for key, subscription in known.items():
        matching.add(watcher(key, subscription | {"id": f"urn:{key}"}, None), subscription)
    found = matching.concerned(before, after)
    told = {one.key for one in found.watchers} if found else set()
    assert told == {key for key, one in known.items() if concerned(one, before, after)}
