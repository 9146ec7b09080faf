"""What is running now and how long it will take: on a terminal only, and on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

OTHER_COLUMNS = 40  # of characters that the bar, the counts and the time take


class Show:
    """A bar with what is running now; silent where standard error is no terminal."""

    def __init__(self, progress: Progress, what: str) -> None:
        self._progress = progress
        self._task = progress.add_task(what, total=None, now="")

    def expect(self, count: int) -> None:
        """Say that this many more things will be done."""
        total = (self._progress.tasks[self._task].total or 0) + count
        self._progress.update(self._task, total=total)

    def now(self, what: str) -> None:
        """Say what is running now."""
        room = max(self._progress.console.width - OTHER_COLUMNS, 0)
        self._progress.update(self._task, now=what if len(what) <= room else f"{what[: room - 1]}…")

    def done(self) -> None:
        """Say that one thing is done."""
        self._progress.advance(self._task)

    def say(self, text: str) -> None:
        """Print to standard output, above the bar where both are on the same terminal."""
        if self._progress.disable or not sys.stdout.isatty():
            print(text, flush=True)
        else:
            self._progress.console.print(Text(text), soft_wrap=True)


@contextmanager
def show(what: str) -> Iterator[Show]:
    """Show a bar for the length of the context."""
    console = Console(stderr=True)
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
        yield Show(progress, what)
