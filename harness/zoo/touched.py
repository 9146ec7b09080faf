"""Which servers a change touches: those whose source, or whose spec, differs from a git revision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from harness.errors import UsageError
from harness.model import Implementation, Spec
from harness.zoo.git import run_git

DOCUMENTATION = ".md"  # changes nothing that a server does


class Touch(StrEnum):
    """How a change touches a server."""

    NEW = "new"  # the revision does not have its source
    SOURCE = "source"  # its own files differ
    SPEC = "spec"  # the text, the codec or the cases of its spec differ


def touched_since(
    revision: str, servers: Sequence[Implementation], specs: Mapping[str, Spec], folder: Path
) -> dict[tuple[str, str], Touch]:
    """Return how the servers that differ from a revision are touched, by spec and name.

    Compared are the files as they are now, committed or not, with the last commit that both have in common: what
    happened to the revision since then is no change of these files.

    Args:
        revision: whatever git takes for a commit.
        servers: those to look at.
        specs: by name.
        folder: a folder in the repository.

    Raises:
        UsageError: git is not installed, this is no repository, or it does not have the revision.
    """
    root = Path(_git(["rev-parse", "--show-toplevel"], folder).rstrip("\n"))
    base = _git(["merge-base", "--", revision, "HEAD"], folder).strip()
    differing = _git(["diff", "--name-only", "--no-renames", "-z", base], root)
    untracked = _git(["ls-files", "--others", "--exclude-standard", "-z"], root)
    changed = {(root / name).resolve() for name in f"{differing}\0{untracked}".split("\0") if name}
    known = {(root / name).resolve() for name in _git(["ls-tree", "-r", "--name-only", "-z", base], root).split("\0")}
    found: dict[tuple[str, str], Touch] = {}
    for server in servers:
        if server.source and any(_belongs(file, server, servers) for file in changed):
            found[server.spec, server.name] = Touch.SOURCE if server.source.resolve() in known else Touch.NEW
        elif server.spec in specs and any(_decides(file, specs[server.spec]) for file in changed):
            found[server.spec, server.name] = Touch.SPEC
    return found


def _belongs(file: Path, server: Implementation, servers: Sequence[Implementation]) -> bool:
    """Return whether a file can change what a server does: it is in its folder, and not of another server alone."""
    assert server.source
    home = server.source.resolve().parent
    if file.suffix == DOCUMENTATION or home not in file.parents:
        return False
    if file in _own_files(server):
        return True
    return not any(file in _own_files(other) for other in servers if other.source)


def _own_files(server: Implementation) -> set[Path]:
    assert server.source
    source = server.source.resolve()
    return {source, *((source.parent / name).resolve() for name in server.files)}


def _decides(file: Path, spec: Spec) -> bool:
    """Return whether a file can change the verdicts on the servers of a spec."""
    folders = {spec.text.resolve().parent, *(folder.resolve() for folder in (spec.cases, *spec.shares))}
    return file == spec.text.resolve() or (file.suffix != DOCUMENTATION and not folders.isdisjoint(file.parents))


def _git(words: Sequence[str], folder: Path) -> str:
    try:
        ended = run_git(words, folder)
    except OSError as error:
        raise UsageError(f"git cannot be asked what has changed: {error.strerror}") from None
    if ended.returncode:
        lines = ended.stderr.decode(errors="replace").strip().splitlines()
        reason = lines[-1] if lines else "the two have no commit in common; a shallow clone may lack it"
        raise UsageError(f"git cannot say what has changed: {reason}")
    return ended.stdout.decode("utf-8", "surrogateescape")
