"""Runs blocks one after the other, and passes each result on before the next begins."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from harness.blocks import BlockResult
from harness.league.messages import BlockRequest
from harness.processes.workers import PYTHON, open_worker
from harness.records import from_json, to_json

COMMAND = (*PYTHON, "harness.league.block")
LIMIT_S, LIMIT_S_EACH = 120.0, 20.0  # a block may take, and more for each server


async def run_blocks(
    requests: Iterable[BlockRequest], starting: Callable[[BlockRequest], None], ended: Callable[[BlockResult], None]
) -> None:
    """Run blocks in a worker process.

    Args:
        requests: the next one is taken when `ended` has returned.
        starting: called before each block.
        ended: called with each result.

    Raises:
        HarnessError: the worker died, or a result cannot be kept.
    """
    async with open_worker(COMMAND) as worker:
        for request in requests:
            starting(request)
            limit_s = LIMIT_S + LIMIT_S_EACH * len(request.entries)
            ended(from_json(await worker.request(to_json(request), limit_s), BlockResult))
