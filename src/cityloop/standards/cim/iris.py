"""Which text can be the id of something (4.5.1): an IRI that people can see and type again."""

import re
import unicodedata

from cityloop.standards.cim.problems import bad_request

ASCII_IRI = r"[A-Za-z][A-Za-z0-9+.-]*:[!#-;=?-\[\]_a-z~]+"
"""The pattern of an id without letters beyond ASCII: any such text is one."""
_ASCII = re.compile(ASCII_IRI, re.ASCII).fullmatch
_WIDE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20\"<>\\^`{|}\x7f]+").fullmatch
_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"})
# Letters and marks that show nothing: fillers of Hangul, the blank of Braille, joiners, selectors.
_FILLERS = (0x115F, 0x1160, 0x3164, 0xFFA0, 0x2800, 0x034F, 0x17B4, 0x17B5)
_BLANK = frozenset(map(chr, (*_FILLERS, *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))


def is_iri(text: object) -> bool:
    """Whether ``text`` is an absolute IRI of RFC 3987 without characters that cannot be seen."""
    if not isinstance(text, str):
        return False
    if _ASCII(text):
        return True
    return (
        not text.isascii()
        and _WIDE(text) is not None
        and not any(char in _BLANK or unicodedata.category(char) in _UNSEEN for char in text)
    )


def checked_id(text: object, what: str) -> str:
    """``text`` when it is an IRI; raises Problem naming ``what`` it should have been the id of."""
    if isinstance(text, str) and is_iri(text):
        return text
    raise bad_request(f"{what} is {text!r}; write a URI such as urn:ngsi-ld:Building:1")
