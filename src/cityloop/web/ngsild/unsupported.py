"""What this broker does not do yet, said as such: registrations of sources (GS CIM 009, 5.9-5.12).

A request is checked as far as it can be, so a wrong one gets its own error; then it is told 501,
never an empty list.
"""

from cityloop.standards.cim.problems import Problem
from cityloop.web.ngsild.request import Answer, Request, Route, named

_PARAMS = named(
    *("id", "type", "idPattern", "attrs", "q", "csf", "geometry", "georel", "coordinates"),
    *("geoproperty", "scopeQ", "limit", "offset", "count", "options", "timerel", "timeAt"),
    *("endTimeAt", "timeproperty"),
)


async def _refuse(request: Request) -> Answer:
    if request.method in ("POST", "PATCH"):
        await request.document()
    else:
        request.accept()
    raise Problem(
        "OperationNotSupported",
        "this broker keeps what it is given and asks no other source: registrations are not there",
        status=501,
    )


ROUTES = tuple(
    Route(method, path, _refuse, _PARAMS)
    for name in ("csourceRegistrations", "csourceSubscriptions")
    for path, methods in ((name, ("GET", "POST")), (f"{name}/*", ("GET", "PATCH", "DELETE")))
    for method in methods
)
