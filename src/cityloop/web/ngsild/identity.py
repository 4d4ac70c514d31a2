"""/info/sourceIdentity: which broker this is, as others that forward to it ask (5.15.1)."""

import time
from uuid import NAMESPACE_URL, uuid5

from cityloop.standards.cim.times import write_datetime
from cityloop.web.ngsild.request import Answer, Request, Route, answer_plain, named

_STARTED = time.monotonic()


async def _identify(request: Request) -> Answer:
    """The tenant's alias is made of where its data lies, so it outlives a restart."""
    own = uuid5(NAMESPACE_URL, request.tenant.store.state.place)
    return answer_plain(
        {
            "id": f"urn:ngsi-ld:ContextSourceIdentity:{own}",
            "type": "ContextSourceIdentity",
            "contextSourceAlias": f"cityloop-{own.hex}",
            "contextSourceUptime": f"PT{int(time.monotonic() - _STARTED)}S",
            "contextSourceTimeAt": write_datetime(request.tenant.store.clock()),
        }
    )


ROUTES = (Route("GET", "info/sourceIdentity", _identify, named()),)
