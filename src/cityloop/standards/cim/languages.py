"""Which language of a LanguageProperty a reader gets (4.15; RFC 9110 weights, RFC 4647 lookup)."""

from collections.abc import Iterable
from functools import lru_cache

from cityloop.standards.cim.problems import bad_request

DEFAULT_LANGUAGE = "@none"


def best_language(wish: str, offered: Iterable[str]) -> str:
    """The tag among ``offered`` (one at least) that serves ``wish`` best; any one where none does.

    ``wish`` is written as an Accept-Language header is. Raises Problem when it is malformed.
    """
    tags = {tag.lower(): tag for tag in offered}
    for wanted in read_wish(wish):
        tag = _looked_up(wanted, tags)
        if tag is not None:
            return tag
    return tags.get(DEFAULT_LANGUAGE) or next(iter(tags.values()))


def _looked_up(wanted: str, tags: dict[str, str]) -> str | None:
    if wanted == "*":
        return next(iter(tags.values()))
    shorter = wanted
    while shorter:
        if shorter in tags:
            return tags[shorter]
        shorter = shorter.rpartition("-")[0]
    return next((tag for low, tag in tags.items() if low.startswith(f"{wanted}-")), None)


@lru_cache(maxsize=256)
def read_wish(wish: str) -> tuple[str, ...]:
    """The wanted tags in lower case, the most wanted first; raises Problem when malformed."""
    weighted: list[tuple[float, str]] = []
    for part in wish.split(","):
        tag, _, weight = part.strip().partition(";")
        tag = tag.strip().lower()
        if not tag or not all(piece.isalnum() for piece in tag.replace("*", "x").split("-")):
            raise bad_request(f"lang is {wish!r}; write language tags such as fr or en-GB,en;q=0.5")
        weighted.append((_weight(weight, wish), tag))
    ranked = sorted(weighted, key=lambda each: -each[0])
    return tuple(tag for weight, tag in ranked if weight > 0)


def _weight(text: str, wish: str) -> float:
    if not text:
        return 1.0
    name, _, value = text.strip().partition("=")
    try:
        weight = float(value)
    except ValueError:
        weight = -1.0
    if name.strip() != "q" or not 0 <= weight <= 1:
        raise bad_request(f"lang is {wish!r}; a weight is written ;q=0.5")
    return weight
