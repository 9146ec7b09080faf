"""The servers to read or measure beside another one: those of the nearest style."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.model import Implementation

UNKNOWN = "?"
FILL_WORDS = {"a", "an", "and", "in", "of", "on", "per", "that", "the", "to", "with"}


def neighbours(server: Implementation, candidates: Sequence[Implementation], count: int = 3) -> list[Implementation]:
    """Return the servers whose style is nearest, the nearest first; none for a server whose style is unknown.

    Styles are near that have words in common; of equally near ones those in the same language, then those of the same
    category come first.

    Args:
        server: the server.
        candidates: the servers to choose from; those of another spec, and the server itself, are left out.
        count: how many are returned at most.
    """
    if server.style == UNKNOWN:
        return []
    others = [each for each in candidates if each.spec == server.spec and each.name != server.name]
    return sorted(others, key=lambda each: (*_distance(server, each), each.name))[:count]


def _distance(first: Implementation, second: Implementation) -> tuple[float, bool, bool]:
    words, others = (_words(server.style) for server in (first, second))
    style = 1 - len(words & others) / max(1, len(words | others))
    return style, first.language != second.language, first.category != second.category


def _words(style: str) -> set[str]:
    """Return the words that make a style; the plural of one is the same word."""
    words = re.findall(r"\w+", style.casefold())
    return {word.removesuffix("s") for word in words} - FILL_WORDS
