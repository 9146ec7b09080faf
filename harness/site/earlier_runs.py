"""What earlier runs on disk say about each server: its cases, and its throughputs beside the run's median server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness import results
from harness.blocks import Entry
from harness.errors import UsageError
from harness.league.inference import Floats
from harness.league.measures import MEASURES
from harness.model import Run, RunInfo, Verdict
from harness.site.data import Site

MOST_RUNS = 20  # the newest ones
KINDS = ("few", "all", "single")


@dataclass(frozen=True)
class PastResult:
    """A server in one run.

    Attributes:
        info: the description of the run.
        is_shown: whether it is the run that the site is about.
        passed: how many cases passed; None where it was not checked.
        failed: how many failed.
        ratios: by kind of flood, its deliveries a second as a ratio to the median server of the run, so that the speed
            of the machine cancels; without those that were not measured.
    """

    info: RunInfo
    is_shown: bool
    passed: int | None
    failed: int
    ratios: Mapping[str, float]


def earlier_results(site: Site) -> dict[tuple[str, str], list[PastResult]]:
    """Return by spec and name the results of each server in the runs beside this one, the newest first."""
    found: dict[tuple[str, str], list[PastResult]] = {}
    for run in _runs(site):
        for key, result in _results(run, is_shown=run.info.id == site.run.info.id):
            found.setdefault(key, []).append(result)
    return found


def _runs(site: Site) -> Iterator[Run]:
    """Yield this run and those on disk beside it, the newest first; those that cannot be read are left out."""
    folders: list[Path] = []
    if site.folder is not None:
        every = [path for path in site.folder.parent.glob(f"*/{results.INFO}") if not path.parent.is_symlink()]
        folders = sorted((path.parent for path in every), key=lambda path: path.name, reverse=True)[:MOST_RUNS]
    runs = [site.run]
    for folder in folders:
        try:
            run = results.read(folder)
        except (UsageError, OSError):
            continue
        if run.info.id != site.run.info.id:
            runs.append(run)
    yield from sorted(runs, key=lambda run: run.info.started, reverse=True)


def _results(run: Run, *, is_shown: bool) -> Iterator[tuple[tuple[str, str], PastResult]]:
    """Yield spec and name of each server of a run with any result, and the result."""
    ratios = {spec: _ratios(run, spec) for spec in {server.spec for server in run.info.implementations}}
    for server in run.info.implementations:
        own = [case for case in run.cases if (case.spec, case.implementation) == (server.spec, server.name)]
        measured = ratios[server.spec].get(server.name, {})
        if own or measured:
            yield (
                (server.spec, server.name),
                PastResult(
                    info=run.info,
                    is_shown=is_shown,
                    passed=sum(case.verdict is Verdict.PASS for case in own) if own else None,
                    failed=sum(case.verdict is Verdict.FAIL for case in own),
                    ratios=measured,
                ),
            )


def _ratios(run: Run, spec: str) -> dict[str, dict[str, float]]:
    """Return by server and kind of flood its ratio to the median server."""
    blocks = [block for block in run.blocks if block.spec == spec]
    entries = [Entry(server.name) for server in run.info.implementations if server.spec == spec]
    found: dict[str, dict[str, float]] = {entry.name: {} for entry in entries}
    for kind in KINDS:
        levels = _levels(MEASURES[kind].scores(blocks, entries, frozenset()))
        if np.isnan(levels).all():
            continue
        for entry, level in zip(entries, levels - np.nanmedian(levels), strict=True):
            if not np.isnan(level):
                found[entry.name][kind] = float(np.exp(level))
    return found


def _levels(table: Floats) -> Floats:
    """Return by how much each entry is better than the average of all, over the blocks that each pair has.

    Args:
        table: logarithms, blocks × entries; NaN where a block lacks an entry.
    """
    differences = table[:, :, np.newaxis] - table[:, np.newaxis, :]
    common = (~np.isnan(differences)).sum(axis=0)
    means = np.nan_to_num(differences).sum(axis=0) / np.maximum(1, common)
    partners = (common > 0).sum(axis=1)
    levels: Floats = np.where(partners > 0, means.sum(axis=1) / np.maximum(1, partners), np.nan)
    return levels
