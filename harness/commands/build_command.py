"""`harness build`: builds into the cache what this machine can build, before a check or a run needs it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

import anyio
import click

from harness.commands import options, sandboxing
from harness.model import Implementation
from harness.report.progress import ProgressBar, progress_bar
from harness.report.verdicts import INDENT, server_label
from harness.zoo import build
from harness.zoo.discover import select, why_unavailable

JOBS = os.cpu_count() or 1


@click.command("build", epilog=options.examples("harness build --all", "harness build rust go --jobs 1"))
@options.servers_without_python
@options.jobs("Build", "servers", default=JOBS, rule="the number of cores")
@sandboxing.option
def command(words: tuple[str, ...], everything: bool, spec: str | None, jobs: int, sandbox_setting: str) -> int:
    """Build servers before they are needed.

    Builds go to the cache. What is built already, and what lacks its toolchain, is skipped.

    Exit status: 0 no build failed, 2 wrong usage, 3 a build failed.
    """
    chosen = select(words, everything=everything, spec=spec)
    sandboxing.decide(sandbox_setting, chosen)

    async def run() -> bool:
        with progress_bar("build") as bar:
            return await _build_all(chosen, jobs, bar)

    return 0 if anyio.run(run) else 3


async def _build_all(chosen: Sequence[Implementation], jobs: int, bar: ProgressBar) -> bool:
    """Build servers, `jobs` at a time; print the outcome of each as it ends, and return whether none failed."""
    several = len({server.spec for server in chosen}) > 1
    limit, failed = anyio.CapacityLimiter(jobs), []
    bar.expect(len(chosen))

    async def build_server(server: Implementation) -> None:
        async with limit:
            bar.show(server.name)
            outcome, succeeded = await _build(server)
        bar.advance()
        bar.print(f"{server_label(server.spec, server.name, with_spec=several)} {outcome}")
        if not succeeded:
            failed.append(server)

    async with anyio.create_task_group() as tasks:
        for server in chosen:
            tasks.start_soon(build_server, server)
    return not failed


async def _build(server: Implementation) -> tuple[str, bool]:
    """Build a server; return the outcome as a line for people, and False if the build failed."""
    if reason := await anyio.to_thread.run_sync(why_unavailable, server):
        return f"unavailable: {reason}", True
    if not server.build:
        return "nothing to build", True
    if await anyio.to_thread.run_sync(build.is_built, server):
        return "built before", True
    begun = time.monotonic()
    reason = await build.try_build(server)
    seconds = f"{time.monotonic() - begun:.1f} s"
    if reason:
        return f"failed   {seconds:>7}  " + reason.replace("\n", f"\n{INDENT}"), False
    return f"built    {seconds:>7}", True
