"""What is wrong gets the standard's error, in its words, and nothing of it is applied."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cityloop.standards.cim.problems import KINDS, TYPES
from tests.broker.running import Running, running

LD = "application/ld+json"
JSON = "application/json"
LAMP = "urn:ngsi-ld:Lamp:kept"
PAST = f"/temporal/entities/{LAMP}"
TABLE = {
    "https://example.org/self.jsonld": {"@context": "https://example.org/self.jsonld"},
    "https://example.org/a.jsonld": {"@context": ["https://example.org/b.jsonld"]},
    "https://example.org/b.jsonld": {"@context": ["https://example.org/a.jsonld", {"c": "urn:c"}]},
    "https://example.org/wrong.jsonld": {"terms": {}},
    "https://example.org/number.jsonld": {"@context": 7},
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, unused_port: int) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("broker")
    table = folder / "contexts.json"
    table.write_text(json.dumps(TABLE))
    with running(folder / "store", unused_port, "--contexts", str(table)) as started:
        kept = {"id": LAMP, "type": "Lamp", "level": {"type": "Property", "value": 1}}
        assert started.post("/entities", kept).status_code == 201
        yield started


def check(answer: httpx.Response, *, wrong: bool = False) -> None:
    """It is an answer of the standard; ``wrong``: an error."""
    told = answer.status_code, answer.text
    assert answer.status_code < 500 or answer.status_code == 504, told
    if answer.status_code >= 400 and answer.status_code != 411:
        assert answer.headers["Content-Type"] == "application/problem+json", told
        assert answer.json()["type"].removeprefix(TYPES) in KINDS, told
        assert answer.json()["detail"], told
    else:
        assert not wrong, told


@pytest.mark.parametrize(
    ("context", "status", "kind"),
    [
        ("https://example.org/missing.jsonld", 504, "LdContextNotAvailable"),
        ("https://example.org/self.jsonld", 504, "LdContextNotAvailable"),
        ("https://example.org/a.jsonld", 504, "LdContextNotAvailable"),
        ("https://example.org/wrong.jsonld", 400, "BadRequestData"),
        ("https://example.org/number.jsonld", 400, "BadRequestData"),
        (["https://example.org/missing.jsonld", {"a": "urn:a"}], 504, "LdContextNotAvailable"),
        ("file:///etc/passwd", 504, "LdContextNotAvailable"),
        ("relative.jsonld", 400, "BadRequestData"),
        (7, 400, "BadRequestData"),
        ([[["https://example.org/a.jsonld"]]], 400, "BadRequestData"),
        ({"a": {"@id": 7}}, 400, "BadRequestData"),
    ],
)
def test_a_context_that_cannot_be_had_or_is_none_stops_every_write(
    broker: Running, context: Any, status: int, kind: str
) -> None:
    """5.5.6: "not available": LdContextNotAvailable; "invalid": BadRequestData."""
    body = {"id": "urn:a:context", "type": "T", "a": 1, "@context": context}
    for path, sent in (("/entities", body), ("/temporal/entities", {**body, "a": [{"value": 1}]})):
        answer = broker.post(path, sent, **{"Content-Type": LD})
        assert (answer.status_code, answer.json()["type"]) == (status, TYPES + kind), answer.text
    told = broker.post("/entityOperations/upsert", [body], **{"Content-Type": LD})
    assert told.status_code == 207
    assert told.json()["errors"][0]["error"]["type"] == TYPES + kind
    assert broker.client.get("/entities/urn:a:context").status_code == 404


WRONG_ATTRIBUTES = [
    *({"type": "GeoProperty", "value": value} for value in (
        {"type": "Point"}, {"type": "Point", "coordinates": [1]},
        {"type": "Point", "coordinates": ["1", "2"]}, {"type": "Point", "coordinates": [1e999, 0]},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0]]]}, "POINT(0 0)",
        {"type": "LineString", "coordinates": [[0, 0]]}, {"type": "Circle", "coordinates": [0, 0]},
        {"type": "Point", "coordinates": [[[[[0, 0]]]]]}, None, 7,
    )),
    *(None, {"type": "Property"}, {"type": "Property", "value": None}, {"type": "Nothing"}),
    "urn:ngsi-ld:null",
    *({"value": 1, "observedAt": moment} for moment in ("now", 7, "2020-13-01T00:00:00Z", None)),
    {"value": 1, "observedAt": "2026-03-01T02:00:00+03:00"},
    *({"type": "Relationship", "object": object_} for object_ in ("no uri", 7, None, [], {})),
    *({"type": "LanguageProperty", "languageMap": texts} for texts in ("a", {}, {"en": 7}, None)),
    *({"value": 1, "unitCode": unit} for unit in (7, "", None)),
    {"value": 1, "datasetId": "no uri"},
    {"value": 1, "@context": "https://example.org/a.jsonld"},
]  # fmt: skip
OF_THE_PRESENT = [
    {"type": "Property", "value": "urn:ngsi-ld:null"},
    [{"value": 1}, {"value": 2}],
    [{"value": 1, "datasetId": "urn:d:1"}, {"value": 2, "datasetId": "urn:d:1"}],
]
"""Wrong of an entity as it is now; over time it has such."""


@pytest.mark.parametrize("wrong", WRONG_ATTRIBUTES + OF_THE_PRESENT, ids=repr)
def test_one_wrong_attribute_and_no_other_is_written(broker: Running, wrong: Any) -> None:
    before = broker.get(f"/entities/{LAMP}?options=sysAttrs")
    text = json.dumps({"good": {"type": "Property", "value": 2}, "bad": wrong})
    fragment = text.replace("Infinity", "1e999")
    headers = {"Content-Type": JSON}
    check(
        broker.client.post(f"/entities/{LAMP}/attrs", content=fragment, headers=headers), wrong=True
    )
    if wrong not in OF_THE_PRESENT:
        check(broker.client.post(PAST + "/attrs", content=fragment, headers=headers), wrong=True)
    whole = fragment.replace("{", '{"id": "urn:a:half", "type": "T", ', 1)
    check(broker.client.post("/entities", content=whole, headers=headers), wrong=True)
    assert broker.client.get("/entities/urn:a:half").status_code == 404
    assert broker.get(f"/entities/{LAMP}?options=sysAttrs") == before


DEEP = "[" * 100_000 + "]" * 100_000
BODIES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
            *(b"", b"null", b"[]", b"{}", b"[null]", b"NaN", b'{"a": NaN}', b'{"a": Infinity}'),
            *(b"\xff\xfe{}", b'{"id": "\\ud800"}', b'{"a": 1e999}', b'{"a": 1', b"[1, 2,]"),
            *(DEEP.encode(), b'{"a":' * 5_000 + b"1" + b"}" * 5_000, b"0" * 10_000),
            b'{"id": "urn:a:1", "id": "urn:a:2", "type": "T", "type": "U"}',
            b'{"id": "urn:a:' + b"x" * 100_000 + b'", "type": "T"}',
            b'{"id": "urn:a:3", "type": "T", "a": ' + b"9" * 5_000 + b"}",
        ]
    ),
)
ADDRESSES = st.sampled_from(
    [
        ("POST", "/entities"),
        ("PUT", f"/entities/{LAMP}"),
        ("PATCH", f"/entities/{LAMP}"),
        ("POST", f"/entities/{LAMP}/attrs"),
        ("PATCH", f"/entities/{LAMP}/attrs"),
        ("PATCH", f"/entities/{LAMP}/attrs/level"),
        ("PUT", f"/entities/{LAMP}/attrs/level"),
        *(("POST", f"/entityOperations/{name}") for name in ("create", "upsert", "update")),
        *(("POST", f"/entityOperations/{name}") for name in ("merge", "delete", "query")),
        ("POST", "/subscriptions"),
        ("PATCH", "/subscriptions/urn:ngsi-ld:Subscription:none"),
        ("POST", "/temporal/entities"),
        ("POST", PAST + "/attrs"),
        ("PATCH", PAST + "/attrs/level/urn:ngsi-ld:Instance:1.0"),
        ("POST", "/temporal/entityOperations/query"),
        ("POST", "/jsonldContexts"),
        ("POST", "/csourceRegistrations"),
    ]
)
TRIED = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@given(ADDRESSES, BODIES, st.sampled_from([JSON, LD, "application/merge-patch+json", "text/html"]))
@TRIED
def test_a_body_that_is_no_document_is_refused_everywhere(
    broker: Running, address: tuple[str, str], body: bytes, media: str
) -> None:
    method, path = address
    headers = {"Content-Type": media, "Content-Length": str(len(body))}
    answer = broker.client.request(method, path, content=body, headers=headers)
    if answer.status_code != 501:
        check(answer)


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=5)
)
WORDS = st.sampled_from(
    [
        "urn:ngsi-ld:null",
        "Property",
        "GeoProperty",
        "@none",
        "@json",
        "urn:a:1",
        "*",
        "Relationship",
    ]
)
TERMS = st.one_of(
    st.sampled_from(
        [
            *(
                "id",
                "type",
                "scope",
                "value",
                "object",
                "languageMap",
                "vocab",
                "json",
                "valueList",
            ),
            *("objectList", "observedAt", "unitCode", "datasetId", "expiresAt", "createdAt"),
            *("@id", "@type", "@value", "@list", "@graph", "location", "level", "entities", "q"),
            *("watchedAttributes", "notification", "endpoint", "uri", "geoQ", "temporalQ", "attrs"),
        ]
    ),
    st.text(max_size=4),
)
DOCUMENTS = st.recursive(
    LEAVES | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TERMS, inner, max_size=4),
    max_leaves=12,
)


@given(ADDRESSES, st.dictionaries(TERMS, DOCUMENTS, min_size=1, max_size=5), st.booleans())
@example(("POST", "/entities"), {"level": {"value": 2**63}}, True)
@example(("POST", "/entities"), {"level": {"value": "\ud800"}}, True)
@example(("POST", "/temporal/entities"), {"level": [{"value": 2**70}]}, True)
@example(("POST", "/entities"), {"level": {"type": []}, "value": {"type": {}}}, True)
@TRIED
def test_no_document_whatsoever_breaks_the_broker(
    broker: Running, address: tuple[str, str], document: dict[str, Any], named: bool
) -> None:
    method, path = address
    head = {"id": "urn:a:tried", "type": "T"} if named else {}
    if path.endswith("/query") or path.startswith("/subscriptions"):
        head = {"type": "Query" if path.endswith("/query") else "Subscription"}
    body: Any = {**document, **head}
    if path.startswith("/entityOperations") and not path.endswith("query"):
        body = [body]
    answer = broker.client.request(
        method, path, content=json.dumps(body), headers={"Content-Type": JSON}
    )
    if answer.status_code != 501:
        check(answer)


@given(
    st.sampled_from(
        [
            *(
                "/entities",
                f"/entities/{LAMP}",
                "/temporal/entities",
                PAST,
                "/types",
                "/attributes",
            ),
            *("/subscriptions", "/jsonldContexts"),
        ]
    ),
    st.dictionaries(
        st.sampled_from(
            [
                *("id", "type", "idPattern", "attrs", "pick", "omit", "q", "georel", "geometry"),
                *("coordinates", "scopeQ", "lang", "options", "format", "datasetId", "join"),
                *("joinLevel", "limit", "offset", "count", "orderBy", "timerel", "timeAt", "lastN"),
                *("endTimeAt", "timeproperty", "aggrMethods", "aggrPeriodDuration", "collation"),
            ]
        ),
        st.one_of(
            st.text(max_size=8),
            st.sampled_from(
                [
                    *(
                        "*",
                        "Lamp",
                        "level",
                        "level>1",
                        "(" * 3_000,
                        "[" * 5_000,
                        "a.b.c[d.e]",
                        "1",
                    ),
                    *("near;maxDistance==1e400", "within", "Point", "[1e999,0]", "[NaN,0]", "true"),
                    *('level=="' + "x" * 2_000, "(a+)+$", "between", "2020-01-01T00:00:00Z", "avg"),
                    *("PT1S", "P99999999999Y", "-1", "999999999999", "%00", "/#", "inline", "flat"),
                    *("aggregatedValues", "temporalValues", "level;dist-asc", "\ud7ff\uffff"),
                ]
            ),
        ),
        max_size=6,
    ),
)
@TRIED
def test_no_query_whatsoever_breaks_the_broker(
    broker: Running, path: str, params: dict[str, str]
) -> None:
    check(broker.client.get(path, params=params))


def test_a_tenant_that_nobody_made_has_nothing_and_is_not_made_by_asking(broker: Running) -> None:
    unknown = {"NGSILD-Tenant": "nobody"}
    for path in ("/entities?type=Lamp", f"/entities/{LAMP}", "/types", "/subscriptions", PAST):
        answer = broker.client.get(path, headers=unknown)
        assert (answer.status_code, answer.json()["type"]) == (404, TYPES + "NonexistentTenant")
    answer = broker.client.patch(f"/entities/{LAMP}", json={"level": 2}, headers=unknown)
    assert answer.json()["type"] == TYPES + "NonexistentTenant"


def test_of_two_members_of_one_name_the_last_counts(broker: Running) -> None:
    body = '{"id": "urn:a:twice", "type": "T", "a": 1, "a": 2}'
    headers = {"Content-Type": JSON}
    assert broker.client.post("/entities", content=body, headers=headers).status_code == 201
    assert broker.get("/entities/urn:a:twice?options=keyValues")["a"] == 2


def test_a_body_that_is_too_large_is_refused_with_its_bound(broker: Running) -> None:
    size = 65 << 20
    headers = {"Content-Type": JSON, "Content-Length": str(size)}
    body = (b" " * (1 << 20) for _ in range(size >> 20))
    answer = broker.client.post("/entityOperations/upsert", content=body, headers=headers)
    assert answer.status_code == 413
    assert "64 MiB" in answer.json()["detail"]
