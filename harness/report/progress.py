"""A progress bar on standard error, where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

OTHER_COLUMNS = 40  # characters that the bar, the counts and the time take


class ProgressBar:
    """A bar with the current step beside it; silent where standard error is no terminal."""

    def __init__(self, progress: Progress, text: str) -> None:
        self._progress = progress
        self._task = progress.add_task(text, total=None, now="")

    def expect(self, count: int) -> None:
        """Add this many steps to the total."""
        total = (self._progress.tasks[self._task].total or 0) + count
        self._progress.update(self._task, total=total)

    def show(self, text: str) -> None:
        """Show what is running now, cut to the width of the terminal."""
        room = max(self._progress.console.width - OTHER_COLUMNS, 0)
        self._progress.update(self._task, now=text if len(text) <= room else f"{text[: room - 1]}…")

    def advance(self) -> None:
        """Count one step as done."""
        self._progress.advance(self._task)

    def print(self, text: str) -> None:
        """Print to standard output, above the bar where both are on the same terminal."""
        if self._progress.disable or not sys.stdout.isatty():
            print(text, flush=True)
        else:
            self._progress.console.print(Text(text), soft_wrap=True)


@contextmanager
def progress_bar(text: str) -> Iterator[ProgressBar]:
    """Show a bar while the context lasts; the text stands before it."""
    # Not FORCE_COLOR, which rich takes for a terminal: in a pipe there is no line to draw again.
    console = Console(stderr=True, force_terminal=sys.stderr.isatty())
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[now]}", markup=False),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        refresh_per_second=4,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as progress:
        yield ProgressBar(progress, text)
