"""The errors of the NGSI-LD API (GS CIM 009, 5.5.2 and 6.3.2) as RFC 7807 ProblemDetails."""

from typing import Any

from cityloop.kernel.errors import CityloopError

TYPES = "https://uri.etsi.org/ngsi-ld/errors/"
"""What the ``type`` of every ProblemDetails begins with."""

KINDS: dict[str, tuple[int, str]] = {
    "BadRequestData": (400, "The content of the request is not valid NGSI-LD"),
    "InvalidRequest": (400, "The request is not well formed"),
    "OperationNotSupported": (422, "The operation is not supported"),
    "TooComplexQuery": (403, "The query is too complex"),
    "TooManyResults": (403, "The query has too many results"),
    "ResourceNotFound": (404, "The resource does not exist"),
    "NonexistentTenant": (404, "The tenant does not exist"),
    "AlreadyExists": (409, "The resource exists already"),
    "Conflict": (409, "The request conflicts with what exists"),
    "NoMultiTenantSupport": (501, "Tenants are not supported"),
    "LdContextNotAvailable": (504, "A @context could not be obtained"),
    "InternalError": (500, "The broker failed"),
}
"""Every kind of error: its HTTP status and its title."""


class Problem(CityloopError):  # noqa: N818 - the word of the standard and of RFC 7807
    """A request that gets one of the standard's errors as its answer.

    ``detail`` says what is wrong, where, and what to do. ``status`` replaces the status of the
    kind where a binding asks for another one (a method that does not exist, a length not given).
    """

    def __init__(self, kind: str, detail: str, *, status: int | None = None) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        usual, self.title = KINDS[kind]
        self.status = status or usual

    def body(self) -> dict[str, Any]:
        """The ProblemDetails."""
        return {
            "type": TYPES + self.kind,
            "title": self.title,
            "detail": self.detail,
            "status": self.status,
        }


def bad_request(detail: str) -> Problem:
    """The error of content that is not valid NGSI-LD."""
    return Problem("BadRequestData", detail)
