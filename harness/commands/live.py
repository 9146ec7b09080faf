"""`harness compare --live`: two servers loaded in turns, now."""

from __future__ import annotations

import random
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import anyio

from harness.addresses import require_loopback
from harness.blocks import BlockResult
from harness.commands import sandboxing
from harness.errors import HarnessError, UsageError
from harness.league import live
from harness.league.live import LiveComparison
from harness.league.slice_scores import disturbed_share
from harness.model import Implementation
from harness.report.progress import progress_bar
from harness.zoo import build
from harness.zoo.discover import select, why_unavailable
from harness.zoo.revisions import at_revision, split


def compare_live(first: str, second: str, spec: str | None, seconds: float, sandbox: str) -> LiveComparison:
    """Load two servers in turns and compare them.

    Args:
        first: the name or path of a server, or NAME@REVISION.
        second: the other one; it may be the same.
        spec: the spec that both serve; None for the default one.
        seconds: how long to load them.
        sandbox: the value of `--sandbox`.

    Raises:
        UsageError: there is no such server, it cannot run here, or they serve different specs.
        HarnessError: a server failed.
    """
    require_loopback()
    seed = random.randrange(2**32)
    with ExitStack() as stack:
        pair = tuple(_server(word, spec, stack) for word in (first, second))
        # An earlier revision of a server that is known is no stranger.
        sandboxing.decide(
            sandbox, [select((split(word)[0],), everything=False, spec=spec)[0] for word in (first, second)]
        )
        for server in pair:
            anyio.run(build.ensure_built, server)
        if pair[0].spec != pair[1].spec:
            raise UsageError(f"{first} serves {pair[0].spec}, and {second} {pair[1].spec}: choose one with --spec")
        names = (first, second) if first != second else (first, f"{second} (again)")
        with progress_bar("compare") as bar:

            def ended(result: BlockResult) -> None:
                bar.show(f"block {result.number + 1}, {result.seconds:.0f} s")

            load = partial(live.load_in_turns, (pair[0], pair[1]), names, seconds, seed=seed, ended=ended)
            blocks = anyio.run(load)
    for block in blocks:
        for number, reason in block.failed.items():
            raise HarnessError(f"{names[int(number)]} failed under load: {reason}")
    note = (
        f"{len(blocks)} blocks of {live.ROUNDS} rounds with fresh processes, both servers in turns; "
        f"{disturbed_share(blocks):.0%} of the slices were disturbed by other processes and left out."
    )
    return LiveComparison(names, live.changes(blocks, names, seed), note)


def _server(word: str, spec: str | None, stack: ExitStack) -> Implementation:
    name, revision = split(word)
    server = select((name,), everything=False, spec=spec)[0]
    if revision:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="zillions-"))
        server = at_revision(server, revision, Path(folder))
    if reason := why_unavailable(server):
        raise UsageError(f"{word} cannot run here: {reason}")
    return server
