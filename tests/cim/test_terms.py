"""Compiled @contexts: what they make of names is what a JSON-LD processor makes of them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyld import jsonld

from cityloop.standards.cim.core import CORE, DEFAULT_VOCAB
from cityloop.standards.cim.problems import Problem
from cityloop.standards.cim.terms import compile_terms

_CORE_CONTEXT = {**CORE, "@vocab": DEFAULT_VOCAB, "@version": 1.1}
_ascii = st.sampled_from(["speed", "brand", "ex", "other", "a1", "width"])
_names = st.one_of(_ascii, st.just("Škola"))
_targets = st.one_of(
    st.sampled_from(["https://x.org/ns#", "https://x.org/ns/", "urn:x:", "https://y.org/speed"]),
    st.builds("{}:{}".format, _ascii, _names),
    _names,
)
_definitions = st.one_of(
    _targets,
    st.fixed_dictionaries({"@id": _targets}, optional={"@type": st.just("@id")}),
    st.fixed_dictionaries({"@id": _targets, "@prefix": st.just(True)}),
    st.just({"@type": "@vocab"}),
)
_documents = st.dictionaries(_names, _definitions, max_size=5)
_asked = st.one_of(_names, st.builds("{}:{}".format, _ascii, _names), st.just("location"))


def _oracle(document: dict[str, object], name: str) -> str | None:
    """The IRI that pyld gives ``name`` under ``[document, Core]``; None if it refuses."""
    try:
        expanded = jsonld.expand({"@context": [document, _CORE_CONTEXT], name: 1})
    except jsonld.JsonLdError:
        return None
    return next(iter(expanded[0])) if expanded else None


@settings(max_examples=300, deadline=None)
@given(_documents, _asked)
def test_a_name_expands_as_a_json_ld_processor_expands_it(
    document: dict[str, object], name: str
) -> None:
    iri = _oracle(document, name)
    if iri is None or ":" not in iri:
        return
    assert compile_terms([document]).expand(name) == iri


@settings(max_examples=300, deadline=None)
@given(_documents, _asked)
def test_what_compact_writes_expand_reads_back(document: dict[str, object], name: str) -> None:
    try:
        terms = compile_terms([document])
        iri = terms.expand(name)
    except Problem:
        return
    assert terms.expand(terms.compact(iri)) == iri


def test_a_user_context_cannot_redefine_a_core_term() -> None:
    terms = compile_terms([{"location": "https://evil.example/location"}])
    assert terms.expand("location") == "https://uri.etsi.org/ngsi-ld/location"


def test_a_later_context_wins_over_an_earlier_one_and_null_forgets_both() -> None:
    first, second = {"speed": "https://a.org/speed"}, {"speed": "https://b.org/speed"}
    assert compile_terms([first, second]).expand("speed") == "https://b.org/speed"
    assert compile_terms([first, None]).expand("speed") == DEFAULT_VOCAB + "speed"


def test_an_iri_that_another_term_hides_is_written_with_a_prefix() -> None:
    terms = compile_terms([{"speed": "https://a.org/speed"}])
    assert terms.compact(DEFAULT_VOCAB + "speed") == "ngsi-ld:default-context/speed"


@pytest.mark.parametrize("name", ["type", "@id", "my attr", "9a", "a-b", "", "_x"])
def test_what_is_no_name_is_bad_request_data(name: str) -> None:
    with pytest.raises(Problem) as caught:
        compile_terms([]).expand(name)
    assert caught.value.kind == "BadRequestData"


@pytest.mark.parametrize(
    "document",
    [
        {"a": "b", "b": "a"},
        {"Vehicle": {"@id": "https://x.org/V", "@context": {}}},
        {"a": 5},
        {"a": {"@id": 5}},
        {"@vocab": 5},
        {f"a{i}": f"a{i + 1}" for i in range(5000)},
    ],
)
def test_what_is_no_context_of_ngsi_ld_is_bad_request_data(document: dict[str, object]) -> None:
    with pytest.raises(Problem) as caught:
        compile_terms([document])
    assert caught.value.kind == "BadRequestData"
