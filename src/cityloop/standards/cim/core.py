"""The Core @context of NGSI-LD (GS CIM 009 V1.9.1, annex B) as a table of names.

It is part of every @context, processed last and protected: its terms and its ``@vocab`` win.
"""

import re

NAMESPACE = "https://uri.etsi.org/ngsi-ld/"
DEFAULT_VOCAB = NAMESPACE + "default-context/"
"""What a name becomes that no @context defines."""

CORE_URL = NAMESPACE + "v1/ngsi-ld-core-context-v1.9.jsonld"
"""Where the Core @context is published; answers name it where the request named none."""

_GEOJSON = "https://purl.org/geojson/vocab#"
_IS_CORE = re.compile(
    r"https?://uri\.etsi\.org/ngsi-ld/(?:v1/)?ngsi-ld-core-context(?:-v\d+(?:\.\d+)*)?\.jsonld"
).fullmatch

_PLAIN = """
Attribute AttributeList ContextSourceIdentity ContextSourceNotification ContextSourceRegistration
Date DateTime EntityType EntityTypeInfo EntityTypeList ExecutionResultDetails GeoProperty
JsonProperty LanguageProperty ListProperty ListRelationship Notification Property Relationship
Snapshot SnapshotNotification Subscription TemporalProperty Time VocabProperty
accept aggrMethods aggrParams aggrPeriodDuration attributeList attributeName attributeNames
attributeTypes attributes attrs avg cacheDuration collation contextSourceAlias contextSourceExtras
contextSourceInfo contextSourceTimeAt contextSourceUptime cooldown createdAt csf data datasetId
deletedAt detail distinctCount endAt endTimeAt endpoint entities entity entityCount entityId
entityList error errors expandValues expiresAt format geoQ geoproperty georel idPattern information
instanceId isActive join jsonKeys jsons lang lastFailure lastNotification lastSuccess lastUsedAt
linkedMaps localOnly location management managementInterval max min mode modifiedAt ngsildproof
notUpdated notification notificationTrigger notifiedAt notifierInfo observationInterval
observationSpace observedAt omit operationSpace operations orderBy ordering pick problemDetails
propertyNames q reason receiverInfo refreshRate registrationId registrationName relationshipNames
resultStatus scope scopeQ showChanges snapshotId snapshotLifetime snapshotPriority snapshotQueries
snapshotQueriesDetails snapshotStatus snapshotTemporalQueries snapshotTemporalQueriesDetails startAt
status stddev subscriptionId subscriptionName success sum sumsq sysAttrs temporalQ tenant throttling
timeAt timeInterval timeout timeproperty timerel timesFailed timesSent totalCount triggerReason
typeList typeName typeNames unchanged unitCode updated uri watchedAttributes
"""
_HAS = """
dataset:Dataset entityMap:EntityMap joinLevel:JoinLevel json:JSON key:Key languageMap:LanguageMap
languageMaps:LanguageMaps object:Object objectList:ObjectList objectLists:ObjectLists
objectType:ObjectType objects:Objects previousJson:PreviousJson
previousLanguageMap:PreviousLanguageMap previousObject:PreviousObject
previousObjectList:PreviousObjectList previousValue:PreviousValue
previousValueList:PreviousValueList previousVocab:PreviousVocab value:Value valueList:ValueList
valueLists:ValueLists valueType:ValueType values:Values vocab:Vocab vocabs:Vocabs
"""
_GEO = """
Feature FeatureCollection GeometryCollection LineString MultiLineString MultiPoint MultiPolygon
Point Polygon bbox coordinates features geometry properties
"""

CORE: dict[str, str] = {
    "id": "@id",
    "type": "@type",
    "ngsi-ld": NAMESPACE,
    "geojson": _GEOJSON,
    "containedBy": NAMESPACE + "isContainedBy",
    "description": "http://purl.org/dc/terms/description",
    "title": "http://purl.org/dc/terms/title",
    "langString": "http://www.w3.org/1999/02/22-rdf-syntax-ns#langString",
    **{word: NAMESPACE + word for word in _PLAIN.split()},
    **{word: f"{NAMESPACE}has{rest}" for word, rest in (pair.split(":") for pair in _HAS.split())},
    **{word: _GEOJSON + word for word in _GEO.split()},
}
"""Every term of the Core @context and its IRI (``id`` and ``type``: their keyword)."""

CORE_PREFIXES = {"ngsi-ld": NAMESPACE, "geojson": _GEOJSON}
"""The terms of the Core @context that shorten other IRIs."""


def is_core_url(url: str) -> bool:
    """Whether ``url`` names a published version of the Core @context."""
    return _IS_CORE(url) is not None
