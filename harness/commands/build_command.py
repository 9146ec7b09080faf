"""`harness build`: builds into the cache what this machine can build, before anybody asks for it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

import anyio
import click

from harness.commands import options
from harness.model import Implementation
from harness.report.progress import Show, show
from harness.report.verdicts import INDENT, name_of
from harness.zoo import build
from harness.zoo.discover import select, why_not_here

JOBS = os.cpu_count() or 1


@click.command("build")
@options.only_servers
@options.jobs(JOBS, "Builds")
def command(words: tuple[str, ...], everything: bool, spec: str | None, jobs: int) -> int:
    """Build servers into the cache; what is there already is left as it is.

    Exit status: 0 built is all that this machine has the tools for, 2 wrong usage, 3 a build failed.
    """
    chosen = select(words, everything=everything, spec=spec)

    async def run() -> bool:
        with show("build") as bar:
            return await _build_all(chosen, jobs, bar)

    return 0 if anyio.run(run) else 3


async def _build_all(chosen: Sequence[Implementation], jobs: int, bar: Show) -> bool:
    """Build servers, so many at a time; tell of each as it ends, and return whether none failed."""
    several = len({one.spec for one in chosen}) > 1
    limit, failed = anyio.CapacityLimiter(jobs), []
    bar.expect(len(chosen))

    async def one_of_them(one: Implementation) -> None:
        async with limit:
            bar.now(one.name)
            told, well = await _outcome(one)
        bar.done()
        bar.say(f"{name_of(one.spec, one.name, with_spec=several)} {told}")
        if not well:
            failed.append(one)

    async with anyio.create_task_group() as tasks:
        for one in chosen:
            tasks.start_soon(one_of_them, one)
    return not failed


async def _outcome(one: Implementation) -> tuple[str, bool]:
    """Build one; return what came of it, and whether that is well."""
    if reason := await anyio.to_thread.run_sync(why_not_here, one):
        return f"not here: {reason}", True
    if not one.build:
        return "nothing to build", True
    if await anyio.to_thread.run_sync(build.is_built, one):
        return "built before", True
    begun = time.monotonic()
    reason = await build.why_not_built(one)
    seconds = f"{time.monotonic() - begun:.1f} s"
    if reason:
        return f"failed   {seconds:>7}  " + reason.replace("\n", f"\n{INDENT}"), False
    return f"built    {seconds:>7}", True
