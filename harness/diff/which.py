"""Which two sources a command line means: servers of the zoo, or paths, that do the same job."""

from __future__ import annotations

from pathlib import Path

from harness import plugins
from harness.errors import UsageError, nearest
from harness.model import Implementation
from harness.zoo import manifests
from harness.zoo.discover import at_path, specs_named


def pair(first: str, second: str, spec: str | None = None) -> tuple[Implementation, Implementation]:
    """Return two servers with a source, of one spec: the one named, or the first that both serve.

    Raises:
        UsageError: a name is unknown, a server has no source, or the two have no spec in common.
    """
    if spec is not None:
        specs_named(spec)
    ours, theirs = _by_spec(first), _by_spec(second)
    common = [name for name in dict.fromkeys([*plugins.specs(), *ours]) if name in ours and name in theirs]
    if spec is not None and spec not in common:
        lacking = first if spec not in ours else second
        served = ", ".join(ours if lacking == first else theirs)
        raise UsageError(f'"{lacking}" does not serve {spec}; it serves {served}')
    if not common:
        raise UsageError(
            f'"{first}" serves {", ".join(ours)}, "{second}" serves {", ".join(theirs)}: they have no spec in common'
        )
    chosen = spec or common[0]
    for word, one in ((first, ours[chosen]), (second, theirs[chosen])):
        if one.source is None:
            raise UsageError(f'"{word}" has no source to read; its manifest names none')
    return ours[chosen], theirs[chosen]


def _by_spec(word: str) -> dict[str, Implementation]:
    """Return the servers that a word means, by their specs; a file by itself may be one of any."""
    specs, declared = plugins.specs(), plugins.implementations()
    if named := {one.spec: one for one in declared if one.name == word}:
        return named
    path = Path(word)
    if path.is_file() and path.name != manifests.FILE:
        return {name: Implementation(name=path.name, spec=name, source=path) for name in specs}
    if path.exists():
        return {one.spec: one for one in at_path(path, list(specs.values()), declared)}
    if "/" in word:
        raise UsageError(f"there is no file {word}")
    known = sorted({one.name for one in declared})
    raise UsageError(f'there is no server "{word}"{nearest(word, known) or "; known: " + ", ".join(known)}')
