"""Watches the files of a server that a person edits, and nothing that tools create beside them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError, UsageError
from harness.extras import require
from harness.model import Implementation
from harness.zoo.build import BYPRODUCTS


@dataclass(frozen=True)
class WatchedPlace:
    """Where the files of a server lie.

    Attributes:
        folder: the folder with its files.
        file: the one file that counts, for a bare executable; None where all files in and below the folder do.
    """

    folder: Path
    file: Path | None = None

    @property
    def name(self) -> str:
        """Its path as a person in the current folder would write it."""
        path = self.file or self.folder
        here = Path.cwd()
        return str(path.relative_to(here) if path.is_relative_to(here) else path)

    def has(self, path: Path) -> bool:
        """Return whether a file is one of those that count."""
        if self.file:
            return path == self.file
        parts = path.relative_to(self.folder).parts
        is_hidden = any(part.startswith(".") for part in parts)
        return BYPRODUCTS.isdisjoint(parts) and not is_hidden and not path.name.endswith("~")


def watched_place(server: Implementation) -> WatchedPlace:
    """Return where the files of a server lie; raise UsageError if it has none, or their folder does not exist."""
    if server.source:
        return WatchedPlace(server.source.parent.resolve())
    executable = next((Path(word) for word in server.run if os.path.isabs(word)), None)
    if executable is None:
        raise UsageError(f"{server.name} has no source or executable that could be watched")
    folder = executable.parent.resolve()
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder")
    # An editor or a compiler replaces the file, so that its folder is watched.
    return WatchedPlace(folder, folder / executable.name)


async def changes(place: WatchedPlace) -> AsyncIterator[None]:
    """Yield whenever files have changed, and stayed as they are for a moment.

    Raises:
        UsageError: watchfiles is not installed.
        HarnessError: the system does not report changes, e.g. because this user watches too many files already.
    """
    watchfiles = require("watchfiles", "watch")
    seen = watchfiles.awatch(
        place.folder,
        watch_filter=lambda change, path: place.has(Path(path)),
        recursive=place.file is None,
    )
    while True:
        try:
            await anext(seen)
        except StopAsyncIteration:
            return
        except (OSError, RuntimeError) as error:  # the second is that of the library, for what it has not foreseen
            reason = str(error).partition(" about ")[0]
            raise HarnessError(
                f"{place.name} cannot be watched: {reason}; `sysctl fs.inotify` shows how much may be watched here"
            ) from None
        yield
