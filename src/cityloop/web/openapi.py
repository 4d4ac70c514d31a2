"""The API as an OpenAPI 3.1 document, from the route table alone; nobody writes it by hand."""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from inspect import cleandoc
from types import NoneType
from typing import Any

import msgspec

from cityloop import __version__
from cityloop.web.problems import Problem
from cityloop.web.route import Endpoint

Json = dict[str, Any]
_REF = "#/components/schemas/{name}"
_JSON = ("application/json",)
_COMMAND_PROBLEMS = (403, 409, 411, 413, 415)
_ANY_PROBLEMS = (421, 503)


def document(table: Sequence[Endpoint]) -> Json:
    """The document that describes every endpoint of ``table``."""
    kinds = [Problem, *_unique(kind for one in table for kind in _kinds(one))]
    listed, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    schemas = dict(zip(map(_key, kinds), listed, strict=True))
    for one in table:
        if one.query is not None:
            components.pop(one.query.__name__, None)
    for schema in components.values():
        schema["description"] = cleandoc(schema.get("description", ""))
    queries = {one.query: msgspec.json.schema(one.query) for one in table if one.query}
    paths: dict[str, Json] = {}
    for one in table:
        query = queries[one.query] if one.query else None
        operation = _operation(one, schemas, query)
        paths.setdefault(one.plain_path, {})[one.declared.verb.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "cityloop", "version": __version__, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {"schemas": components},
    }


def _kinds(one: Endpoint) -> list[Any]:
    """The types of an endpoint that travel as JSON."""
    answer = [one.answer] if one.declared.media == _JSON and one.answer is not NoneType else []
    body = [one.body] if one.body is not None else []
    query = [one.query] if one.query is not None else []
    declared = one.declared
    return [*query, *body, *answer, *declared.also.values(), *declared.events.values()]


def _unique(kinds: Iterable[Any]) -> list[Any]:
    return list({_key(kind): kind for kind in kinds}.values())


def _key(kind: Any) -> str:
    return f"{getattr(kind, '__module__', '')}.{kind!r}"


def _operation(one: Endpoint, schemas: Json, query: Json | None) -> Json:
    operation: Json = {
        "operationId": one.call.__name__,
        "summary": one.declared.summary,
        "parameters": [*_path_parameters(one), *_query_parameters(query)],
        "responses": _responses(one, schemas),
    }
    if one.body is not None:
        content = {"application/json": {"schema": schemas[_key(one.body)]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _path_parameters(one: Endpoint) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": msgspec.json.schema(kind)}
        for name, kind in one.parts.items()
    ]


def _query_parameters(query: Json | None) -> list[Json]:
    if query is None:
        return []
    body = query["$defs"][query["$ref"].rpartition("/")[2]]
    required = set(body.get("required", ()))
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _said(schema)}
        for name, schema in body["properties"].items()
    ]


def _said(schema: Json) -> Json:
    """A query can leave something out, but it cannot say null."""
    some = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if not some:
        return schema
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    return rest | (some[0] if len(some) == 1 else {"anyOf": some})


def _responses(one: Endpoint, schemas: Json) -> Json:
    responses = {str(status): _problem(status) for status in _problems(one)}
    for status, kind in one.declared.also.items():
        responses[str(status)] = _carrying("application/json", schemas[_key(kind)], status)
    if one.declared.kept:
        responses["304"] = {"description": "The client has it already (If-None-Match)."}
    if one.answer is NoneType:
        return {"204": {"description": "It is done."}} | responses
    schema = _answer(one, schemas)
    content = {media: {"schema": schema} for media in one.declared.media}
    return {"200": {"description": "OK", "content": content}} | responses


def _answer(one: Endpoint, schemas: Json) -> Json:
    if one.declared.media == _JSON:
        return dict(schemas[_key(one.answer)])
    if one.declared.events:
        told = one.declared.events.items()
        return {"oneOf": [_event(name, schemas[_key(kind)]) for name, kind in told]}
    return {"type": "string"}


def _event(name: str, data: Json) -> Json:
    """One event of a stream: OpenAPI 3.1 has no word of its own for these (3.2: itemSchema)."""
    properties = {"event": {"const": name}, "data": data}
    return {"type": "object", "properties": properties, "required": list(properties)}


def _problems(one: Endpoint) -> list[int]:
    found = list(_ANY_PROBLEMS)
    if one.parts or one.query:
        found.append(404)
    if one.body or one.query:
        found.append(422)
    if one.declared.verb != "GET":
        found += _COMMAND_PROBLEMS
    return sorted(set(found) - set(one.declared.also))


def _problem(status: int) -> Json:
    schema = {"$ref": _REF.format(name=Problem.__name__)}
    return _carrying("application/problem+json", schema, status)


def _carrying(media: str, schema: Json, status: int) -> Json:
    return {"description": HTTPStatus(status).phrase, "content": {media: {"schema": schema}}}
