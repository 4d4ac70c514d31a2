"""The order of texts in a language (GS CIM 009, clause 4.23.3; tags as in RFC 6067).

Base letters first, then accents, then case: the first three levels of the Unicode collation
algorithm for alphabets whose language keeps the root order. A language that orders otherwise
(Swedish, Chinese …) is refused rather than ordered wrongly; ICU itself would be a native library
for one parameter.
"""

import re
import unicodedata
from collections.abc import Callable

from cityloop.standards.cim.problems import Problem

_TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
_ROOT_ORDER = frozenset({"und", "root", "en", "de", "fr", "it", "nl", "pt", "ca", "ga"})
_PHONE_BOOK = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"}
)

Key = Callable[[str], tuple[str, ...]]


def read_collation(tag: str) -> Key:
    """The sort key of the collation; of the empty one, the order of code points.

    Raises Problem: BadRequestData for a tag that is none, OperationNotSupported for a language
    with an order of its own.
    """
    if not tag:
        return lambda text: (text,)
    if not _TAG.fullmatch(tag):
        raise Problem("BadRequestData", f"The collation '{tag}' is no language tag (RFC 6067).")
    language, *rest = tag.lower().split("-")
    if language not in _ROOT_ORDER:
        raise Problem(
            "OperationNotSupported",
            f"The collation '{tag}' is not known; known are {', '.join(sorted(_ROOT_ORDER))}.",
        )
    if language == "de" and "phonebk" in rest:
        return lambda text: _levels(unicodedata.normalize("NFC", text).translate(_PHONE_BOOK))
    return _levels


def _levels(text: str) -> tuple[str, ...]:
    apart = unicodedata.normalize("NFKD", text)
    letters = "".join(sign for sign in apart if not unicodedata.combining(sign))
    return (letters.casefold(), apart.casefold(), letters.swapcase())
