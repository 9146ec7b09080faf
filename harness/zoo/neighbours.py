"""Finds the servers that are nearest to another one by style, to be read or measured beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.model import Implementation
from harness.styles import UNKNOWN

# Words that say nothing about a style.
COMMON = frozenset({"a", "and", "on", "own", "one", "of", "per", "that", "the"})
SAME_LANGUAGE = 0.4  # what the same language counts, where the same words of the style count 1
SAME_CATEGORY = 0.1


def neighbours(server: Implementation, others: Iterable[Implementation], count: int = 3) -> list[Implementation]:
    """Return the servers of the same spec that are nearest by style; none for a server whose style is unknown.

    Args:
        server: the server.
        others: those to choose from; the server itself may be among them.
        count: how many.
    """
    if server.style == UNKNOWN:
        return []
    candidates = [other for other in others if other.spec == server.spec and other.name != server.name]
    return sorted(candidates, key=lambda other: (-likeness(server, other), other.name))[:count]


def likeness(server: Implementation, other: Implementation) -> float:
    """Return how alike two servers are by style, language and category: 0 where nothing is the same."""
    words, others = _words(server.style), _words(other.style)
    shared = len(words & others) / len(words | others) if words | others else 0.0
    same_language, same_category = server.language == other.language, server.category == other.category
    return shared + SAME_LANGUAGE * same_language + SAME_CATEGORY * same_category


def _words(style: str) -> set[str]:
    """Return the words of a style that mean something, in the singular."""
    return {word.removesuffix("s") for word in re.findall(r"[a-z]+", style.lower())} - COMMON
