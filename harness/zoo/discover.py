"""Finds servers: those that a command line selects, those at a path, and whether this machine can run them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness import plugins
from harness.errors import UsageError, nearest
from harness.escapes import visible
from harness.model import Implementation, Spec
from harness.zoo import manifests
from harness.zoo.toolchains import interpreters, needs


def missing_needs(implementation: Implementation) -> list[needs.Need]:
    """Return what this machine lacks for a server."""
    lacking = []
    for need in needs.parse(implementation):
        if needs.why_missing(need):
            lacking.append(need)
            if implementation.python and need.name == implementation.python:
                break  # without this interpreter its packages cannot be checked
    return lacking


def missing(implementation: Implementation) -> list[tuple[str, str]]:
    """Return what this machine lacks for a server, as pairs (reason, command that installs it or "")."""
    return [(needs.why_missing(need), need.install_command) for need in missing_needs(implementation)]


def why_unavailable(implementation: Implementation) -> str:
    """Return why this machine cannot run a server and what installs the missing tools; "" if it can."""
    return "; ".join(f"{reason}: {install}" if install else reason for reason, install in missing(implementation))


def specs_named(name: str | None) -> list[Spec]:
    """Return the spec of that name, or all specs if `name` is None.

    Raises:
        UsageError: the name is unknown.
    """
    known = plugins.specs()
    if name is None:
        return list(known.values())
    if name not in known:
        raise UsageError(f'there is no spec "{name}"{nearest(name, known)}')
    return [known[name]]


def select(
    words: Sequence[str], *, everything: bool, spec: str | None, pythons: Sequence[str] = ()
) -> list[Implementation]:
    """Return the servers that a command line selects, each once, in the order of the command line.

    Args:
        words: names and paths. A path is a word with a slash, or an existing file whose name is no known server.
        everything: `--all`: select every declared server, before `words`.
        spec: `--spec`: select only servers of this spec; also the spec assumed for a path.
        pythons: `--python`: further interpreters; each adds a variant of every selected server in Python.

    Raises:
        UsageError: a name is unknown, a path has no server, nothing is selected, or `pythons` are given and no
            selected server is in Python.
    """
    specs = specs_named(spec)
    spec_names = {known_spec.name for known_spec in specs}
    declared = [server for server in plugins.implementations() if server.spec in spec_names]
    chosen = list(declared) if everything else []
    for word in words:
        if named := [server for server in declared if server.name == word]:
            chosen += named
        elif "/" in word or Path(word).exists():
            for server in at_path(Path(word), specs, declared):
                key = (server.spec, server.name)
                if any((other.spec, other.name) == key and other.run != server.run for other in chosen):
                    server = msgspec.structs.replace(server, name=visible(word))
                chosen.append(server)
        else:
            known = sorted({server.name for server in declared})
            raise UsageError(f'there is no server "{word}"{nearest(word, known) or "; known: " + ", ".join(known)}')
    if not chosen:
        raise UsageError("no server selected: give names or paths, or --all for all servers")
    unique = {(server.spec, server.name): server for server in reversed(chosen)}
    return interpreters.add_variants([server for key, server in reversed(unique.items())], pythons)


def at_path(path: Path, specs: Sequence[Spec], declared: Sequence[Implementation] = ()) -> list[Implementation]:
    """Return the servers at a path.

    A folder or manifest stands for the servers that it declares. Any other file is taken for an executable that
    serves the first of `specs`; launching it reports what is wrong with it.

    Args:
        path: an executable, a manifest, or a folder of a server.
        specs: only servers of these specs are returned.
        declared: known servers; a folder without a manifest stands for those whose source is in it.

    Raises:
        UsageError: the path has no server of these specs.
    """
    if (path / manifests.FILE).is_file():
        path = path / manifests.FILE
    if path.name == manifests.FILE:
        servers = [server for server in manifests.read(path) if server.spec in {spec.name for spec in specs}]
        if not servers:
            raise UsageError(f"{path} declares no server of {', '.join(spec.name for spec in specs)}")
        return servers
    if path.is_dir():
        if servers := [server for server in declared if server.source and server.source.parent == path.resolve()]:
            return servers
        raise UsageError(f"{path} is a folder without a manifest ({manifests.FILE}) or a known server")
    taken = {server.name for server in declared}
    name = visible(path.name if path.name not in taken else f"./{path.name}")
    summary = f"the executable {visible(str(path))}"
    return [Implementation(name=name, spec=specs[0].name, summary=summary, run=(os.path.abspath(path),))]
