"""The leaderboard in a README, and the pages with everything that it leaves out.

Between two markers of the README stands a short table of the default spec: the best server of each style, fifteen rows
at most. The pages, one per spec, have every row, every figure and the conditions of the run.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.errors import HarnessError, UsageError
from harness.league.report_card import League, leagues
from harness.league.rows import Row
from harness.model import Run
from harness.report.columns import leaderboard
from harness.report.formats.markdown import joined, league_parts
from harness.report.formats.terminal import HOW_TO_READ, origin

BEGIN, END = "<!-- leaderboard: begin -->", "<!-- leaderboard: end -->"
MAX_ROWS = 15
WIDTH = 120


def rewrite(readme: Path, run: Run) -> None:
    """Put the leaderboard of a run between the two markers of a file; the rest of the file stays as it is.

    Raises:
        UsageError: the file cannot be read or does not have each marker once, in order.
        HarnessError: it cannot be written; it is as it was.
    """
    try:
        text = readme.read_text("utf-8")
    except OSError as error:
        raise UsageError(f"{readme} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{readme} cannot be read: {error}") from None
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise UsageError(f"{readme} needs the markers {BEGIN} and {END}, each once and in this order")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    new = readme.with_name(f".{readme.name}.new")
    try:  # a full disk leaves the old file
        new.write_text(f"{before}{BEGIN}\n\n{short(leagues(run)[0], run)}\n{END}{after}", "utf-8")
        shutil.copymode(readme, new)
        new.replace(readme.resolve())
    except OSError as error:
        new.unlink(missing_ok=True)
        raise HarnessError(f"{readme} cannot be written: {error.strerror}") from None


def short(league: League, run: Run) -> str:
    """Return the short table of a league, and in a sentence what it is."""
    rows = best_of_each_style(league)[:MAX_ROWS]
    machine, blocks = run.info.machine, f"{league.blocks} block{'s' if league.blocks != 1 else ''}"
    sentence = (
        f"{league.spec}: the best {len(rows)} of {len(league.ranked)} ranked servers, one per style; {blocks} on "
        f"{machine.processor}, {machine.cores} cores, {machine.kernel}, {run.info.started[:10]}."
    )
    return joined([leaderboard(league, rows, width=WIDTH), sentence])


def best_of_each_style(league: League) -> list[Row]:
    """Return the first ranked row of each style, in the order of the league."""
    best: dict[str, Row] = {}
    for row in league.ranked:
        best.setdefault(row.implementation.style, row)
    return list(best.values())


def write_pages(folder: Path, run: Run) -> list[Path]:
    """Write a page for each spec of a run; return their paths.

    Raises:
        HarnessError: a page cannot be written.
    """
    paths = []
    for league in leagues(run):
        page = joined([f"# {league.spec}", origin(run.info), HOW_TO_READ, *league_parts(league)])
        path = folder / f"{league.spec}.md"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(page, "utf-8", "backslashreplace")
        except OSError as error:
            raise HarnessError(f"{path} cannot be written: {error.strerror}") from None
        paths.append(path)
    return paths
