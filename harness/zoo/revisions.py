"""A server as it was at a git revision: `asyncio@main` is the server "asyncio" of the branch main."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import msgspec

from harness.errors import UsageError
from harness.model import Implementation
from harness.zoo import manifests
from harness.zoo.git import run_git


def split(word: str) -> tuple[str, str]:
    """Return the name and the revision of "NAME@REVISION"; the revision is "" where there is none."""
    name, _, revision = word.partition("@")
    return name, revision


def at_revision(server: Implementation, revision: str, folder: Path) -> Implementation:
    """Return a server as it was at a git revision, under the name "NAME@REVISION".

    Its folder is extracted as it was then; what it imports of other folders is that of today.

    Args:
        server: the server as it is today.
        revision: whatever git takes for a commit.
        folder: an empty folder for the extracted files, which must stay as long as the server is used.

    Raises:
        UsageError: the server has no source in a git repository, or the revision does not have it.
    """
    if server.source is None:
        raise UsageError(f"{server.name} has no source that git could know, so there is no {server.name}@{revision}")
    home = server.source.parent
    try:
        found = run_git(["archive", "--format=tar", revision, "."], home)
    except OSError as error:
        raise UsageError(f"{server.name}@{revision} cannot be had from git: {error.strerror}") from None
    if found.returncode:
        words = found.stderr.decode(errors="replace").strip().splitlines() or ["git archive failed"]
        raise UsageError(f"{server.name}@{revision} cannot be had from git: {words[-1]}")
    with tarfile.open(fileobj=io.BytesIO(found.stdout)) as archive:
        archive.extractall(folder, filter="data")
    source = folder / server.source.relative_to(home)
    if not source.is_file():
        raise UsageError(f"{revision} has no {server.source.name} of {server.name}")
    old = server
    if (folder / manifests.FILE).is_file():
        declared = manifests.read(folder / manifests.FILE)
        old = next((each for each in declared if (each.spec, each.name) == (server.spec, server.name)), server)
    run = tuple(word.replace(str(server.source), str(source)) for word in old.run)
    return msgspec.structs.replace(old, name=f"{server.name}@{revision}", source=source, run=run)
