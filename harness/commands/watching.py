"""`harness check --watch`: checks one server again whenever its files change.

A turn builds the server, runs what failed before and the smoke cases, and says how they ended. If they pass, the
remaining cases follow. A change during a turn begins the next one at once. Each turn has workers of its own, because
workers may have started the server ahead; those of the next turn collect their cases as soon as the smoke cases have
ended, so that they are ready when a file changes.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from datetime import datetime

import anyio
import click

from harness import plugins, results
from harness.addresses import require_loopback
from harness.commands.checking import SCRIPTS, announce, watcher
from harness.conformance.check import CheckOptions, exit_status
from harness.conformance.pool import Pool, combine_results, open_pool
from harness.errors import HarnessError, UsageError
from harness.extras import require
from harness.model import Case, CaseResult, CheckResult, Implementation, Spec, Verdict
from harness.report.progress import ProgressBar, progress_bar
from harness.zoo import build
from harness.zoo.discover import specs_named, why_unavailable
from harness.zoo.source_changes import changes, watched_place

BAD = (Verdict.FAIL, Verdict.WARN, Verdict.UNKNOWN, Verdict.ERROR)


class Watch:
    """A server that is checked in turns.

    Args:
        choose: returns the server as it is declared now; raises UsageError if the declaration is wrong.
        spec: its spec.
        options: which cases run, and how.

    Attributes:
        status: the exit status of the last turn that has one.
    """

    def __init__(self, choose: Callable[[], Implementation], spec: Spec, options: CheckOptions) -> None:
        self._choose, self._spec, self._options = choose, spec, options
        self._place = watched_place(choose())
        self._failed: set[str] = set()  # the ids of cases
        self._turns = 0
        self.status = HarnessError.exit_status

    async def run(self) -> None:
        """Check the server now, and again whenever its files change; runs until it is cancelled."""
        require_loopback()
        changed = anyio.Event()
        changed.set()
        one_at_a_time = anyio.Lock()
        current: anyio.CancelScope | None = None

        async def make_turn() -> None:
            nonlocal changed, current
            is_next_prepared = False

            def prepare_next() -> None:
                nonlocal is_next_prepared
                if not is_next_prepared:
                    is_next_prepared = True
                    tasks.start_soon(make_turn)

            async with self._open_pool() as pool:
                await changed.wait()
                async with one_at_a_time:
                    changed = anyio.Event()
                    with anyio.CancelScope() as current:
                        await self.check(pool, prepare_next)
                prepare_next()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(make_turn)
            async for _ in changes(self._place):
                changed.set()
                if current:
                    current.cancel()

    def _open_pool(self) -> AbstractAsyncContextManager[Pool]:
        return open_pool(
            self._spec,
            jobs=self._options.jobs,
            jobs_when_idle=self._options.jobs,
            arguments=self._options.pytest_arguments,
            seed=self._options.seed,
        )

    async def check(self, pool: Pool, smoke_ended: Callable[[], None] = lambda: None) -> None:
        """Build the server and run its cases, first what failed before and the smoke cases, then the others.

        Args:
            pool: the workers of this turn.
            smoke_ended: called when only the others are left.
        """
        self._turns += 1
        click.clear()  # of a terminal; nothing elsewhere
        print(f"turn {self._turns}, {datetime.now():%H:%M:%S}", flush=True)
        with progress_bar("check") as bar:
            try:
                plugins.reload_servers(self._place.folder)
                server = self._choose()
            except UsageError as error:
                self.status = error.exit_status
                bar.print(str(error))
            else:
                await self._check_server(pool, server, bar, smoke_ended)
            bar.print(f"waiting for a change of {self._place.name}; Ctrl-C ends")

    async def _check_server(
        self, pool: Pool, server: Implementation, bar: ProgressBar, smoke_ended: Callable[[], None]
    ) -> None:
        if reason := why_unavailable(server):
            self._announce(bar, _without_cases(server, Verdict.UNSUPPORTED, reason))
        elif reason := await build.try_build(server):
            self._announce(bar, _without_cases(server, Verdict.UNKNOWN, reason))
        else:
            await self._run_cases(pool, server, bar, smoke_ended)

    async def _run_cases(
        self, pool: Pool, server: Implementation, bar: ProgressBar, smoke_ended: Callable[[], None]
    ) -> None:
        first = self._first(pool.cases)
        others = len(pool.cases) - len(first)
        begun = time.monotonic()

        def plan(_: Implementation, cases: Sequence[Case]) -> Sequence[Sequence[Case]]:
            chosen = [case for case in cases if case.id in first]
            ordered = sorted(chosen, key=lambda case: (case.id not in self._failed, not case.long, not case.slow))
            return [[case] for case in ordered]

        done: list[CaseResult] = await pool.check([server], watcher(bar), plan=plan)
        result = self._judge(server, done)
        self._announce(bar, result, f"{time.monotonic() - begun:.1f} s")
        if not others or result.verdict is not Verdict.PASS:
            return
        bar.print(f"the {others} other cases follow")
        smoke_ended()
        done = await pool.check([server], watcher(bar), done=done)
        self._announce(bar, self._judge(server, done), f"{time.monotonic() - begun:.1f} s")

    def _first(self, cases: Collection[Case]) -> set[str]:
        """Return the ids of the cases that a turn begins with: all, if there are no smoke cases among them."""
        first = {case.id for case in cases if case.smoke or case.gate or case.id in self._failed}
        return first if any(case.smoke for case in cases) else {case.id for case in cases}

    def _judge(self, server: Implementation, done: Sequence[CaseResult]) -> CheckResult:
        """Return the verdict of these cases, and remember those that failed."""
        self._failed -= {case.id for case in done}
        self._failed |= {case.id for case in done if case.verdict in BAD}
        return combine_results(server, done)

    def _announce(self, bar: ProgressBar, result: CheckResult, took: str = "") -> None:
        self.status = exit_status([result])
        width = min(shutil.get_terminal_size().columns, 120)
        announce(bar, result, width=width, scripts=results.folder() / SCRIPTS, took=took)


def watch(choose: Callable[[], Implementation], options: CheckOptions) -> int:
    """Check a server in turns until Ctrl-C; return the exit status of the last turn.

    Args:
        choose: returns the server as it is declared now; raises UsageError if the declaration is wrong.
        options: which cases run, and how.

    Raises:
        UsageError: watchfiles is not installed, the server has no files, or no case matches.
    """
    require("watchfiles", "watch")
    (spec,) = specs_named(choose().spec)
    watching = Watch(choose, spec, options)
    with suppress(KeyboardInterrupt):
        anyio.run(watching.run)
    return watching.status


def _without_cases(server: Implementation, verdict: Verdict, reason: str) -> CheckResult:
    return CheckResult(implementation=server.name, spec=server.spec, verdict=verdict, message=reason)
