"""Where a subscription's notifications go, as the notifier needs to know it (CIM 6.3.8, 7.2)."""

from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from cityloop.interconnection.broker.parcels import Target
from cityloop.interconnection.broker.reach import Reach
from cityloop.interconnection.broker.styles import GEOJSON, JSON_LD
from cityloop.standards.cim.core import CORE_URL
from cityloop.standards.cim.problems import bad_request
from cityloop.standards.cim.subscription import Subscribed
from cityloop.standards.cim.terms import Terms

USUAL_TIMEOUT_S = 10.0
LONGEST_TIMEOUT_S = 120.0
LINK = '<{}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
PORTS = {"http": 80, "https": 443, "mqtt": 1883, "mqtts": 8883}
_VERSIONS: dict[str, Literal["3.1.1", "5"]] = {"mqtt3.1.1": "3.1.1", "mqtt5.0": "5"}


def target(s: int, subscription: Subscribed, terms: Terms, tenant: str) -> Target:
    """The target of a subscription that notifies with ``terms``; raises Problem (BadRequestData)
    for what the endpoint's ``notifierInfo`` cannot mean.
    """
    endpoint = subscription["notification"]["endpoint"]
    _check_address(endpoint["uri"])
    accept = endpoint.get("accept", "application/json")
    info = {pair["key"]: pair["value"] for pair in endpoint.get("notifierInfo", ())}
    features = accept == GEOJSON
    bare = accept == "application/json" or (features and "body=json" in info.get("Prefer", ""))
    return Target(
        s=s,
        id=subscription["id"],
        uri=endpoint["uri"],
        timeout_s=min(endpoint.get("timeout", 1000 * USUAL_TIMEOUT_S) / 1000, LONGEST_TIMEOUT_S),
        envelope="features" if features else "entities",
        headers=_headers(endpoint, (terms.link or CORE_URL) if bare else "", tenant),
        context=b"" if bare or accept == JSON_LD else msgspec.json.encode(terms.context),
        mqtt_version=_version(info),
        qos=_qos(info),
    )


def _check_address(uri: str) -> None:
    url = urlsplit(uri)
    try:
        known = bool(url.hostname) and url.port != 0
    except ValueError:
        known = False
    if not known or (url.scheme.startswith("mqtt") and not url.path.strip("/")):
        raise bad_request(f"{uri!r} is no address: http://host:port/… or mqtt://host:port/topic.")


def check_reach(to: Target, reach: Reach) -> None:
    """Raise Problem (BadRequestData) where nothing may be sent to a target. What its name resolves
    to is judged again at each connection."""
    url = urlsplit(to.uri)
    refusal = reach.refusal_of(url.hostname or "", url.port or PORTS[url.scheme])
    if refusal:
        raise bad_request(f"Notifications cannot go to {to.uri}: {refusal}.")


def _headers(endpoint: dict[str, Any], link: str, tenant: str) -> dict[str, str]:
    headers = {"Content-Type": endpoint.get("accept", "application/json")}
    if link:
        headers["Link"] = LINK.format(link)
    if tenant:
        headers["NGSILD-Tenant"] = tenant
    return headers | {pair["key"]: pair["value"] for pair in endpoint.get("receiverInfo", ())}


def _version(info: dict[str, str]) -> Literal["3.1.1", "5"]:
    given = info.get("MQTT-Version", "mqtt5.0")
    if given not in _VERSIONS:
        raise bad_request(f"MQTT-Version {given!r} is none of: {', '.join(_VERSIONS)}.")
    return _VERSIONS[given]


def _qos(info: dict[str, str]) -> int:
    given = info.get("MQTT-QoS", "0")
    if given not in ("0", "1", "2"):
        raise bad_request(f"MQTT-QoS {given!r} is none of: 0, 1, 2.")
    return int(given)
