"""What travels over the NGSI-LD API, as JSON Schema: the tables of GS CIM 009, clause 5.2.

Entities are open-world: every member that is not named here is an attribute.
"""

from typing import Any, Final

from cityloop.standards.cim.kept import MEMBERS
from cityloop.standards.cim.problems import KINDS, TYPES
from cityloop.standards.cim.subscription_members import ACCEPTS, FORMATS, JOINS, TRIGGERS

Json = dict[str, Any]

TEXT: Final[Json] = {"type": "string"}
NAME: Final[Json] = {"type": "string", "minLength": 1}
URI: Final[Json] = {"type": "string", "format": "uri"}
MOMENT: Final[Json] = {"type": "string", "format": "date-time"}
COUNT: Final[Json] = {"type": "integer", "minimum": 0}
_FLAG: Final[Json] = {"type": "boolean"}
_POSITIVE: Final[Json] = {"type": "number", "exclusiveMinimum": 0}
_ANYTHING: Final[Json] = {}


def ref(name: str) -> Json:
    """The schema of that name."""
    return {"$ref": f"#/components/schemas/{name}"}


def array(items: Json, least: int = 0) -> Json:
    """An array of ``items``, ``least`` at least."""
    return {"type": "array", "items": items} | ({"minItems": least} if least else {})


def one_or_more(item: Json) -> Json:
    """``item``, or an array of them."""
    return {"anyOf": [item, array(item, 1)]}


def _object(required: str = "", others: Json | bool = True, /, **properties: Json) -> Json:
    told: Json = {"type": "object", "properties": properties}
    if required:
        told["required"] = required.split()
    if others is not True:
        told["additionalProperties"] = others
    return told


_ATTRIBUTE = _object(
    "",
    ref("Value"),
    type={"enum": [*MEMBERS]},
    **dict.fromkeys(MEMBERS.values(), _ANYTHING),
    unitCode=NAME,
    observedAt=MOMENT,
    datasetId=NAME,
    createdAt=MOMENT,
    modifiedAt=MOMENT,
    deletedAt=MOMENT,
    expiresAt=MOMENT,
    instanceId=URI,
)
_VALUE = {"type": ["string", "number", "boolean", "array", "object"]}
_ENTITY = _object(
    "",
    ref("Value"),
    id=URI,
    type=one_or_more(NAME),
    scope=one_or_more(NAME),
    createdAt=MOMENT,
    modifiedAt=MOMENT,
    expiresAt=MOMENT,
    **{"@context": ref("Context")},
)
_SELECTOR = _object(
    "type", False, id=one_or_more(URI), idPattern=TEXT, type=NAME, **{"@context": _ANYTHING}
)
_GEO_QUERY = _object(
    "georel geometry coordinates",
    georel=NAME,
    geometry=NAME,
    coordinates={"type": ["array", "string"]},
    geoproperty=NAME,
)
_PAIR = _object("key value", key=NAME, value=TEXT)
_ENDPOINT = _object(
    "uri",
    uri=NAME,
    accept={"enum": [*ACCEPTS]},
    timeout=_POSITIVE,
    cooldown=_POSITIVE,
    receiverInfo=array(_PAIR, 1),
    notifierInfo=array(_PAIR, 1),
)
_TOLD: Json = {
    "status": {"enum": ["ok", "failed"]},
    **dict.fromkeys(("timesSent", "timesFailed", "pending", "throttled", "dropped"), COUNT),
    **dict.fromkeys(("lastNotification", "lastSuccess", "lastFailure", "nextAttempt"), MOMENT),
    "lastError": TEXT,
}
_VERDICTS = (
    *("sent", "pending", "failing", "dropped", "throttled", "notTriggered", "notMatching"),
    *("paused", "expired", "beforeSubscription", "periodic", "noEntity", "unknown"),
)
_NOTIFICATION_PARAMS = _object(
    "endpoint",
    attributes=array(NAME, 1),
    pick=array(NAME, 1),
    omit=array(NAME, 1),
    format={"enum": [*FORMATS]},
    sysAttrs=_FLAG,
    showChanges=_FLAG,
    join={"enum": [*JOINS]},
    joinLevel=_POSITIVE,
    endpoint=ref("Endpoint"),
    **_TOLD,
)
_SUBSCRIPTION = _object(
    "type notification",
    id=URI,
    type={"const": "Subscription"},
    subscriptionName=NAME,
    description=NAME,
    entities=array(_object("type", id=one_or_more(URI), idPattern=TEXT, type=NAME), 1),
    watchedAttributes=array(NAME, 1),
    notificationTrigger=array({"enum": [*TRIGGERS]}, 1),
    timeInterval=_POSITIVE,
    throttling=_POSITIVE,
    q=NAME,
    geoQ=ref("GeoQuery"),
    csf=NAME,
    scopeQ=NAME,
    lang=NAME,
    datasetId=array(NAME, 1),
    jsonldContext=URI,
    isActive=_FLAG,
    status={"enum": ["active", "paused", "expired"]},
    expiresAt=MOMENT,
    notification=ref("NotificationParams"),
    createdAt=MOMENT,
    modifiedAt=MOMENT,
    **{"@context": ref("Context")},
)
_QUERY = _object(
    "type",
    type={"const": "Query"},
    entities=array(_SELECTOR, 1),
    **dict.fromkeys(("attrs", "pick", "omit", "datasetId", "containedBy"), one_or_more(NAME)),
    **dict.fromkeys(("q", "csf", "scopeQ", "lang", "join", "geometryProperty"), NAME),
    expandValues=one_or_more(NAME),
    joinLevel={"type": "integer", "minimum": 1},
    geoQ=ref("GeoQuery"),
    ordering=_object(),
    temporalQ=_object(),
    aggrParams=_object(),
    **{"@context": ref("Context")},
)
_TYPED = _object("id type", id=URI, type=NAME)
_ATTRIBUTE_TOLD = _object(
    "id type attributeName",
    id=URI,
    type={"const": "Attribute"},
    attributeName=NAME,
    attributeCount=COUNT,
    attributeTypes=array(NAME),
    typeNames=array(NAME),
)

SCHEMAS: Final[dict[str, Json]] = {
    "Context": {
        "description": "A JSON-LD @context: a URL, an object of terms, or an array of both.",
        "type": ["string", "object", "array"],
    },
    "Value": {"description": "Any JSON but null, which NGSI-LD does not have.", **_VALUE},
    "Attribute": {
        "description": "One instance of an attribute; other members are its sub-attributes.",
        **_ATTRIBUTE,
    },
    "Entity": {
        "description": "An entity; members not named here are its attributes: an Attribute, an "
        "array of its instances, or (concise, simplified) a bare value.",
        **_ENTITY,
    },
    "EntityTemporal": {
        "description": "An entity over time: of each attribute an array of its instances, or an "
        "object with what became of them (temporalValues, aggregatedValues).",
        **_ENTITY,
        "properties": {**_ENTITY["properties"], "scope": _VALUE},
    },
    "Feature": _object("id type", id=URI, type={"const": "Feature"}, properties=_object()),
    "FeatureCollection": _object(
        "type features", type={"const": "FeatureCollection"}, features=array(ref("Feature"))
    ),
    "GeoQuery": _GEO_QUERY,
    "Query": _QUERY,
    "Endpoint": _ENDPOINT,
    "NotificationParams": _NOTIFICATION_PARAMS,
    "Subscription": _SUBSCRIPTION,
    "SubscriptionFragment": {k: v for k, v in _SUBSCRIPTION.items() if k != "required"},
    "Why": _object(
        "subscriptionId entityId verdict answer checks deliveries",
        subscriptionId=URI,
        subscriptionName=NAME,
        entityId=URI,
        verdict={"enum": [*_VERDICTS]},
        answer=TEXT,
        checks=array(
            _object("part asks has holds", part=NAME, asks=TEXT, has=TEXT, holds=_FLAG)
        ),
        lastWrite=_object(
            "at created updated deleted",
            at=MOMENT, **dict.fromkeys(("created", "updated", "deleted"), array(NAME)),
        ),
        deliveries=_object(**_TOLD),
    ),
    "UpdateResult": _object(
        "updated notUpdated",
        updated=array(NAME),
        notUpdated=array(_object("attributeName reason", attributeName=NAME, reason=TEXT)),
    ),
    "BatchResult": _object(
        "success errors",
        success=array(NAME),
        errors=array(_object("entityId error", entityId=TEXT, error=ref("ProblemDetails"))),
    ),
    "EntityTypeList": _object("id type typeList", id=URI, type=NAME, typeList=array(NAME)),
    "EntityType": _object(
        "id type typeName attributeNames", id=URI, type=NAME, typeName=NAME,
        attributeNames=array(NAME),
    ),
    "EntityTypeInfo": _object(
        "id type typeName entityCount attributeDetails",
        id=URI, type=NAME, typeName=NAME, entityCount=COUNT,
        attributeDetails=array(ref("AttributeInfo")),
    ),
    "AttributeList": _object(
        "id type attributeList", id=URI, type=NAME, attributeList=array(NAME)
    ),
    "AttributeInfo": _ATTRIBUTE_TOLD,
    "ContextDocument": _object("@context", **{"@context": ref("Context")}),
    "ContextDetails": _object(
        "URL localId kind createdAt",
        URL=NAME, localId=NAME, kind={"enum": ["Hosted", "Cached", "ImplicitlyCreated"]},
        createdAt=MOMENT, numberOfHits=COUNT, lastUsage=MOMENT,
    ),
    "ContextSourceIdentity": _TYPED,
    "ProblemDetails": _object(
        "type title status",
        type={"enum": [TYPES + kind for kind in KINDS]},
        title=TEXT, detail=TEXT, status={"type": "integer"},
    ),
}  # fmt: skip
