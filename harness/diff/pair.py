"""Selects the two servers to compare: by name or path, for a spec that both serve."""

from __future__ import annotations

from pathlib import Path

from harness import plugins
from harness.errors import UsageError, nearest
from harness.model import Implementation
from harness.zoo import manifests
from harness.zoo.discover import at_path, specs_named


def find_pair(first: str, second: str, spec: str | None = None) -> tuple[Implementation, Implementation]:
    """Return two servers with a source that serve the same spec.

    Args:
        first: the name or path of a server.
        second: the name or path of another server.
        spec: the name of the spec; by default the first that both serve.

    Raises:
        UsageError: a name is unknown, a server has no source, or the two have no spec in common.
    """
    if spec is not None:
        specs_named(spec)  # raises UsageError for an unknown name
    left, right = _by_spec(first), _by_spec(second)
    common = [name for name in dict.fromkeys([*plugins.specs(), *left]) if name in left and name in right]
    if spec is not None and spec not in common:
        word, servers = (first, left) if spec not in left else (second, right)
        raise UsageError(f'"{word}" does not serve {spec}; it serves {", ".join(servers)}')
    if not common:
        raise UsageError(
            f'"{first}" serves {", ".join(left)}, "{second}" serves {", ".join(right)}: they have no spec in common'
        )
    chosen = spec or common[0]
    for word, server in ((first, left[chosen]), (second, right[chosen])):
        if server.source is None:
            raise UsageError(f'"{word}" has no source to read: its manifest names none')
    return left[chosen], right[chosen]


def _by_spec(word: str) -> dict[str, Implementation]:
    """Return the servers with this name or path, by spec; a file without a manifest may serve any spec."""
    specs, declared = plugins.specs(), plugins.implementations()
    if named := {server.spec: server for server in declared if server.name == word}:
        return named
    path = Path(word)
    if path.is_file() and path.name != manifests.FILE:
        return {name: Implementation(name=path.name, spec=name, source=path) for name in specs}
    if path.exists():
        return {server.spec: server for server in at_path(path, list(specs.values()), declared)}
    if "/" in word:
        raise UsageError(f"there is no file {word}")
    known = sorted({server.name for server in declared})
    raise UsageError(f'there is no server "{word}"{nearest(word, known) or "; known: " + ", ".join(known)}')
