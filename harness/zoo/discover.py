"""Which servers there are, which of them were meant, and whether they can run here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness import plugins
from harness.errors import UsageError, nearest
from harness.model import Implementation, Spec
from harness.zoo import manifests
from harness.zoo.toolchains import interpreters, needs


def missing(implementation: Implementation) -> list[tuple[str, str]]:
    """Return what this machine lacks for a server, in words, each with the command that installs it, or ""."""
    found = []
    for need in needs.of(implementation):
        if reason := needs.lacking(need):
            found.append((reason, need.remedy))
            if implementation.python and need.name == implementation.python:
                break  # nobody to ask about the others
    return found


def why_not_here(implementation: Implementation) -> str:
    """Return why a server cannot run here and the remedy, or "" when it can."""
    return "; ".join(f"{reason}: {remedy}" if remedy else reason for reason, remedy in missing(implementation))


def specs_named(name: str | None) -> list[Spec]:
    """Return the spec of that name, or all; raise UsageError for an unknown one."""
    known = plugins.specs()
    if name is None:
        return list(known.values())
    if name not in known:
        raise UsageError(f'there is no spec "{name}"{nearest(name, known)}')
    return [known[name]]


def select(
    words: Sequence[str], *, everything: bool, spec: str | None, pythons: Sequence[str] = ()
) -> list[Implementation]:
    """Return the servers that a command line means, each once, in its order.

    Args:
        words: names and paths. A path is a word with a slash, or one that names a file and is no known name.
        everything: `--all`: every declared server, before the words.
        spec: `--spec`: only servers of this spec; what a path is taken for.
        pythons: `--python`: interpreters under which those in Python are entries of their own as well.

    Raises:
        UsageError: a name is unknown, a path has no server, or nothing was named; or nothing of it is in Python.
    """
    specs = specs_named(spec)
    declared = [one for one in plugins.implementations() if one.spec in {each.name for each in specs}]
    chosen = list(declared) if everything else []
    for word in words:
        if named := [one for one in declared if one.name == word]:
            chosen += named
        elif "/" in word or Path(word).exists():
            for found in at_path(Path(word), specs, declared):
                if any((one.spec, one.name) == (found.spec, found.name) and one.run != found.run for one in chosen):
                    found = msgspec.structs.replace(found, name=word)
                chosen.append(found)
        else:
            known = sorted({one.name for one in declared})
            raise UsageError(f'there is no server "{word}"{nearest(word, known) or "; known: " + ", ".join(known)}')
    if not chosen:
        raise UsageError("no server named: give names or paths, or --all for every one")
    unique = {(one.spec, one.name): one for one in reversed(chosen)}
    return interpreters.under([one for key, one in reversed(unique.items())], pythons)


def at_path(path: Path, specs: Sequence[Spec], declared: Sequence[Implementation] = ()) -> list[Implementation]:
    """Return the servers at a path: any executable, for the first spec, or those of these specs that a folder declares.

    What is wrong with the file itself is found out when it is launched, and told there.
    """
    if (path / manifests.FILE).is_file():
        path = path / manifests.FILE
    if path.name == manifests.FILE:
        found = [one for one in manifests.read(path) if one.spec in {spec.name for spec in specs}]
        if not found:
            raise UsageError(f"{path} declares no server of {', '.join(spec.name for spec in specs)}")
        return found
    if path.is_dir():
        if found := [one for one in declared if one.source and one.source.parent == path.resolve()]:
            return found
        raise UsageError(f"{path} is a folder without a manifest ({manifests.FILE}) or a known server")
    taken = {one.name for one in declared}
    name = path.name if path.name not in taken else f"./{path.name}"
    summary = f"the executable {path}"
    return [Implementation(name=name, spec=specs[0].name, summary=summary, run=(os.path.abspath(path),))]
