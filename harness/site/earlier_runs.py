"""The runs on disk beside the one that the site is about, for the history of each server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness import results
from harness.errors import UsageError
from harness.league.series import ServerSeries, throughput_series
from harness.model import Run
from harness.site.data import Site

MOST_RUNS = 20  # the newest ones; `harness history` shows all


def histories(site: Site) -> dict[tuple[str, str], list[ServerSeries]]:
    """Return by spec and name the series of each server, one for each kind of machine."""
    return throughput_series(list(_runs(site)))


def _runs(site: Site) -> Iterator[Run]:
    """Yield this run and those on disk beside it; those that cannot be read are left out."""
    yield site.run
    folders: list[Path] = []
    if site.folder is not None:
        every = [path for path in site.folder.parent.glob(f"*/{results.INFO}") if not path.parent.is_symlink()]
        folders = sorted((path.parent for path in every), key=lambda path: path.name, reverse=True)[:MOST_RUNS]
    for folder in folders:
        try:
            run = results.read(folder)
        except (UsageError, OSError):
            continue
        if run.info.id != site.run.info.id:
            yield run
