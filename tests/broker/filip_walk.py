"""Creates, asks and subscribes through FiLiP; run by its own Python: ``filip_walk.py BROKER SINK``.

``SINK``: where the notification is to go. Prints what came back, as one JSON object.
"""

import json
import sys

from filip.clients.ngsi_ld.cb import ContextBrokerLDClient
from filip.models.base import FiwareLDHeader
from filip.models.ngsi_ld.context import ActionTypeLD, ContextLDEntity
from filip.models.ngsi_ld.subscriptions import (
    Endpoint,
    EntityInfo,
    NotificationParams,
    SubscriptionLD,
)


def parking(number: int, free: int) -> ContextLDEntity:
    """A car park with so many free spots."""
    return ContextLDEntity(
        id=f"urn:ngsi-ld:OffStreetParking:{number}",
        type="OffStreetParking",
        availableSpotNumber={"type": "Property", "value": free},
    )


def walk(broker: str, sink: str) -> dict[str, object]:
    """What a client of today does first."""
    client = ContextBrokerLDClient(url=broker, fiware_header=FiwareLDHeader())
    client.post_entity(parking(1, 120))
    client.entity_batch_operation(
        entities=[parking(2, 0), parking(3, 7)], action_type=ActionTypeLD.UPSERT
    )
    endpoint = Endpoint(uri=sink, accept="application/json")
    subscribed = client.post_subscription(
        SubscriptionLD(
            id="urn:ngsi-ld:Subscription:full",
            entities=[EntityInfo(type="OffStreetParking")],
            q="availableSpotNumber==0",
            notification=NotificationParams(attributes=["availableSpotNumber"], endpoint=endpoint),
        )
    )
    client.post_entity(parking(1, 0), update=True)
    found = client.get_entity_list(entity_type="OffStreetParking", q="availableSpotNumber==0")
    one = client.get_entity("urn:ngsi-ld:OffStreetParking:3")
    return {
        "subscribed": subscribed,
        "full": sorted(entity.id for entity in found),
        "free": one.model_dump()["availableSpotNumber"]["value"],
        "subscriptions": [kept.id for kept in client.get_subscription_list()],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(walk(*sys.argv[1:])))
