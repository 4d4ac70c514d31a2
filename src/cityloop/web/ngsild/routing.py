"""Finds what answers a request: a tree of dictionaries, one look-up for each part of the path."""

from collections.abc import Iterable

from cityloop.standards.cim.problems import Problem
from cityloop.web.ngsild.request import Request, Route

_LATER = {
    "csourceRegistrations": "registrations of other context sources",
    "csourceSubscriptions": "subscriptions to registrations of other context sources",
    "entityMaps": "entity maps of distributed queries",
    "snapshots": "snapshots",
}
"""What the standard has and this broker does not, yet."""


class MethodProblem(Problem):
    """405: a method that an address does not have; ``allow``: those that it has."""

    def __init__(self, detail: str, allow: str) -> None:
        super().__init__("InvalidRequest", detail, status=405)
        self.allow = allow


class _Branch:
    """What can follow a part of the path. ``methods``: what answers here."""

    __slots__ = ("any", "methods", "named")

    def __init__(self) -> None:
        self.named: dict[str, _Branch] = {}
        self.any: _Branch | None = None
        self.methods: dict[str, Route] = {}

    def grow(self, part: str) -> "_Branch":
        """The branch of a part of a pattern, made where it is new."""
        if part != "*":
            return self.named.setdefault(part, _Branch())
        self.any = self.any or _Branch()
        return self.any


class Routing:
    """All routes. What a pattern names goes before what it leaves open."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Branch()
        for route in routes:
            branch = self._root
            for part in route.path.split("/"):
                branch = branch.grow(part)
            branch.methods[route.method] = route

    def find(self, request: Request, *, slash: bool) -> Route:
        """What answers ``request``, which learns its names; raises Problem.

        ``slash``: the path ends with one. Then an id may be missing: the address is of one thing.
        """
        method = request.scope["method"]
        methods = self._follow(request, request.path)
        route = methods.get(method)
        if route is None and slash and len(request.path) == 1:
            route = self._follow(request, (*request.path, "")).get(method)
        if route is None:
            raise _not_here(request, methods)
        return route

    def _follow(self, request: Request, path: tuple[str, ...]) -> dict[str, Route]:
        branch, names = self._root, []
        for part in path:
            after = branch.named.get(part)
            if after is None:
                after = branch.any
                if after is None:
                    return {}
                names.append(part)
            branch = after
        request.names = tuple(names)
        return branch.methods


def _not_here(request: Request, methods: dict[str, Route]) -> Problem:
    later = _LATER.get(request.path[0])
    if later is not None and not methods:
        return Problem("OperationNotSupported", f"this broker has no {later} yet", status=501)
    if not methods:
        return unknown_address(request.scope["path"])
    allowed = ", ".join(methods)
    detail = f"{request.method} is not possible here; there is {allowed}"
    return MethodProblem(detail, allowed)


def unknown_address(path: str) -> Problem:
    """The error of a path that nothing stands behind."""
    return Problem("ResourceNotFound", f"{path} is no address of this API")
