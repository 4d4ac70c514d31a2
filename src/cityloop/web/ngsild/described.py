"""What every operation of the NGSI-LD API is called, takes and answers, for its description.

The addresses, methods and parameters come from the routes themselves; a test holds that each route
is described here and nothing else is.
"""

from typing import NamedTuple

from cityloop.standards.cim.asked import LARGEST_PAGE, PAGE
from cityloop.standards.cim.geometry import GEOMETRIES
from cityloop.standards.cim.selection.geo import RELATIONS
from cityloop.standards.cim.temporal_query import METHODS, MOST_INSTANCES, TIME_PROPERTIES
from cityloop.web.ngsild.negotiation import DOCUMENTS, ENTITIES, JSON
from cityloop.web.ngsild.request import WITH_MERGE_PATCH
from cityloop.web.ngsild.schemas import MOMENT, NAME, TEXT, URI, Json, array, one_or_more, ref


class Told(NamedTuple):
    """One operation. ``answers``: status → schema of the body, None where there is none.

    ``body``: the schema of what is sent; ``bare``: it is the same as linked data and as other JSON.
    ``errors``: statuses beyond those that any may answer.
    """

    summary: str
    answers: dict[int, Json | None]
    body: Json | None = None
    errors: tuple[int, ...] = ()
    media: tuple[str, ...] = DOCUMENTS
    offers: tuple[str, ...] = DOCUMENTS
    bare: bool = False


_DONE: dict[int, Json | None] = {204: None}
_MADE: dict[int, Json | None] = {201: None}
_CHANGED: dict[int, Json | None] = {204: None, 207: ref("UpdateResult")}
_BATCH: dict[int, Json | None] = {204: None, 207: ref("BatchResult")}
_MADE_ALL: dict[int, Json | None] = {201: array(URI), **_BATCH}
_ENTITY, _ENTITIES = ref("Entity"), array(ref("Entity"))
_WHOLE = {"allOf": [_ENTITY, {"required": ["id", "type"]}]}
_ATTRIBUTE = one_or_more(ref("Value"))
_PAST = ref("EntityTemporal")
_IDS = array(URI, 1)
_MANY = (403, 501)
_LATER: dict[int, Json | None] = {}


def _shown(body: Json, *also: int) -> dict[int, Json | None]:
    return dict.fromkeys((200, *also), body)


TOLD: dict[str, Told] = {
    "POST entities": Told("Create an entity", _MADE, _WHOLE, (409,)),
    "GET entities": Told(
        "Query entities", _shown(_ENTITIES, 203), None, _MANY, offers=ENTITIES
    ),
    "DELETE entities": Told("Purge entities, or some attributes of them", _DONE, None, _MANY),
    "GET entities/*": Told(
        "Retrieve an entity",
        _shown({"anyOf": [_ENTITY, _ENTITIES]}, 203), None, _MANY, offers=ENTITIES,
    ),
    "PUT entities/*": Told("Replace an entity", _DONE, _ENTITY),
    "PATCH entities/*": Told("Merge an entity", _DONE, _ENTITY, (), WITH_MERGE_PATCH),
    "DELETE entities/*": Told("Delete an entity", _DONE),
    "POST entities/*/attrs": Told("Append attributes", _CHANGED, _ENTITY),
    "PATCH entities/*/attrs": Told("Update attributes", _CHANGED, _ENTITY, (), WITH_MERGE_PATCH),
    "PATCH entities/*/attrs/*": Told(
        "Update an attribute partially", _DONE, ref("Value"), (), WITH_MERGE_PATCH
    ),
    "PUT entities/*/attrs/*": Told("Replace an attribute", _DONE, _ATTRIBUTE),
    "DELETE entities/*/attrs/*": Told("Delete an attribute", _DONE),
    "POST entityOperations/create": Told("Create many entities", _MADE_ALL, array(_WHOLE, 1)),
    "POST entityOperations/upsert": Told(
        "Create or replace many entities", _MADE_ALL, array(_WHOLE, 1)
    ),
    "POST entityOperations/update": Told("Update many entities", _BATCH, array(_ENTITY, 1)),
    "POST entityOperations/merge": Told("Merge many entities", _BATCH, array(_ENTITY, 1)),
    "POST entityOperations/delete": Told(
        "Delete many entities", _BATCH, _IDS, bare=True
    ),
    "POST entityOperations/query": Told(
        "Query entities", _shown(_ENTITIES, 203), ref("Query"), _MANY, offers=ENTITIES
    ),
    "POST jsonldContexts": Told(
        "Host a @context", _MADE, ref("ContextDocument"), bare=True
    ),
    "GET jsonldContexts": Told(
        "List @contexts",
        _shown({"anyOf": [array(NAME), array(ref("ContextDetails"))]}), offers=(JSON,),
    ),
    "GET jsonldContexts/*": Told(
        "Serve a @context",
        _shown({"anyOf": [ref("ContextDocument"), ref("ContextDetails")]}), None, (422,),
        offers=(JSON,),
    ),
    "DELETE jsonldContexts/*": Told("Delete a @context, or load it anew", _DONE),
    "GET info/sourceIdentity": Told(
        "Say which broker this is", _shown(ref("ContextSourceIdentity")), offers=(JSON,)
    ),
    "POST temporal/entities": Told(
        "Create or extend the evolution of an entity", {201: None, 204: None},
        {"allOf": [_PAST, {"required": ["id", "type"]}]},
    ),
    "GET temporal/entities": Told(
        "Query how entities evolved", _shown(array(_PAST), 206), None, _MANY
    ),
    "POST temporal/entityOperations/query": Told(
        "Query how entities evolved", _shown(array(_PAST), 206), ref("Query"), _MANY
    ),
    "GET temporal/entities/*": Told(
        "Retrieve how an entity evolved", _shown(_PAST, 206), None, _MANY
    ),
    "DELETE temporal/entities/*": Told("Forget how an entity evolved", _DONE),
    "POST temporal/entities/*/attrs": Told("Add to how an entity evolved", _DONE, _PAST),
    "DELETE temporal/entities/*/attrs/*": Told("Forget how an attribute evolved", _DONE),
    "PATCH temporal/entities/*/attrs/*/*": Told(
        "Correct an instance of an attribute", _DONE, ref("Value"), (405,), WITH_MERGE_PATCH
    ),
    "DELETE temporal/entities/*/attrs/*/*": Told("Forget an instance of an attribute", _DONE),
    "POST subscriptions": Told("Subscribe", _MADE, ref("Subscription"), (409,)),
    "GET subscriptions": Told(
        "List subscriptions", _shown(array(ref("Subscription"))), None, (403,)
    ),
    "GET subscriptions/*": Told(
        "Retrieve a subscription", _shown(ref("Subscription")), None, (405,)
    ),
    "PATCH subscriptions/*": Told(
        "Change a subscription", _DONE, ref("SubscriptionFragment"), (405,), WITH_MERGE_PATCH
    ),
    "DELETE subscriptions/*": Told("End a subscription", _DONE, None, (405,)),
    "GET subscriptions/*/why": Told(
        "Say why a subscription told of an entity, or did not", _shown(ref("Why")), None, (405,),
        offers=(JSON,),
    ),
    "GET entities/*/why": Told(
        "Say which subscriptions tell of an entity, and why", _shown(array(ref("Why"))),
        offers=(JSON,),
    ),
    "GET types": Told(
        "List the types of entities",
        _shown({"anyOf": [ref("EntityTypeList"), array(ref("EntityType"))]}),
    ),
    "GET types/*": Told("Tell of a type of entities", _shown(ref("EntityTypeInfo"))),
    "GET attributes": Told(
        "List the attributes of entities",
        _shown({"anyOf": [ref("AttributeList"), array(ref("AttributeInfo"))]}),
    ),
    "GET attributes/*": Told("Tell of an attribute", _shown(ref("AttributeInfo"))),
    "GET openapi.json": Told("This description", _shown({"type": "object"}), offers=(JSON,)),
    **{
        f"{method} {name}{rest}": Told(
            "Not there yet: other context sources", _LATER,
            {"type": "object", "minProperties": 1} if method in ("POST", "PATCH") else None,
            (501,), WITH_MERGE_PATCH if method == "PATCH" else DOCUMENTS,
        )
        for name in ("csourceRegistrations", "csourceSubscriptions")
        for rest, methods in (("", ("GET", "POST")), ("/*", ("GET", "PATCH", "DELETE")))
        for method in methods
    },
}  # fmt: skip
"""By method and path, as the routes write it."""

_FLAG: Json = {"enum": ["true", "false"]}
PARAMETERS: dict[str, tuple[Json, str]] = {
    "id": (NAME, "Entities with one of these ids, with commas between"),
    "type": (NAME, "Entities of these types: names, ',' for or, ';' for and, brackets; '*': any"),
    "idPattern": (NAME, "Entities whose id this regular expression finds something in"),
    "attrs": (NAME, "Entities with one of these attributes, and of these attributes alone"),
    "pick": (NAME, "The members that are told, with commas between"),
    "omit": (NAME, "The members that are left out, with commas between"),
    "q": (NAME, "What attributes have to be: level>3;name==\"Main\" (4.9)"),
    "csf": (NAME, "Which context sources are asked (4.9); there are none yet"),
    "georel": (NAME, f"Lie to the geometry: near;maxDistance==100, {', '.join(RELATIONS)}"),
    "geometry": ({"enum": [*GEOMETRIES]}, "What the coordinates are those of"),
    "coordinates": (NAME, "The coordinates of the geometry, as GeoJSON writes them"),
    "geoproperty": (NAME, "The GeoProperty that georel is about; usually location"),
    "geometryProperty": (NAME, "The GeoProperty that becomes the geometry of a Feature"),
    "scopeQ": (NAME, "Scopes: /Madrid/#, ',' for or, ';' for and (4.19)"),
    "lang": (NAME, "The language that LanguageProperties are told in, as Accept-Language says it"),
    "options": (TEXT, "sysAttrs and a format, for a write noOverwrite, update or a format"),
    "format": (TEXT, "normalized, concise, simplified; of a past temporalValues, aggregatedValues"),
    "sysAttrs": (_FLAG, "Whether createdAt, modifiedAt, expiresAt are told"),
    "datasetId": (NAME, "The instances that are meant; @none: the one without a datasetId"),
    "deleteAll": (TEXT, "true: every instance of the attribute"),
    "join": ({"enum": ["inline", "flat", "@none"]}, "Whether linked entities are told, and where"),
    "joinLevel": ({"type": "integer", "minimum": 1}, "How many links are followed in a row"),
    "containedBy": (NAME, "Ids of entities that the client has"),
    "local": (_FLAG, "true: no other broker is asked; none is"),
    "entityMap": (TEXT, "Entity maps are not there yet: false"),
    "limit": (
        {"type": "integer", "minimum": 0, "maximum": LARGEST_PAGE, "default": PAGE},
        "How many on a page",
    ),
    "offset": ({"type": "integer", "minimum": 0, "default": 0}, "How many before the page"),
    "count": (_FLAG, "Whether NGSILD-Results-Count tells how many there are"),
    "expandValues": (NAME, "Attributes whose values in q are names"),
    "orderBy": (NAME, "Members to order by, each with ;asc, ;desc, ;dist-asc, ;dist-desc"),
    "orderFrom": (NAME, "The coordinates that distances count from"),
    "orderGeometry": (NAME, "What orderFrom is the coordinates of; usually a Point"),
    "collation": (NAME, "The language whose order of texts counts"),
    "entity": (URI, "The id of the entity"),
    "keep": (NAME, "The attributes that stay"),
    "drop": (NAME, "The attributes that go"),
    "observedAt": (MOMENT, "When what is merged was observed"),
    "details": (TEXT, "true: more than names"),
    "kind": ({"enum": ["Hosted", "Cached", "ImplicitlyCreated"]}, "@contexts of this kind"),
    "reload": (TEXT, "true: the @context is loaded anew instead"),
    "timerel": ({"enum": ["before", "after", "between"]}, "How the instances lie to timeAt"),
    "timeAt": (MOMENT, "The time that timerel is about, in UTC"),
    "endTimeAt": (MOMENT, "Where between ends, in UTC"),
    "timeproperty": ({"enum": [*TIME_PROPERTIES]}, "Which time of an instance counts"),
    "lastN": ({"type": "integer", "minimum": 1, "maximum": MOST_INSTANCES}, "The latest so many"),
    "aggrMethods": (NAME, f"How values are summed up, with commas: {', '.join(METHODS)}"),
    "aggrPeriodDuration": (NAME, "The length of a period, as ISO 8601 has it: PT1H"),
}  # fmt: skip
"""The parameters of queries: schema, and what they mean."""
