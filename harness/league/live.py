"""Compares two servers by loading them in turns, now: blocks of short slices until the time is up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from harness.blocks import BlockResult, Entry
from harness.league.compare_runs import Change, changes_of, pair_in_blocks
from harness.league.inference import fewest_blocks
from harness.league.messages import BlockRequest
from harness.league.profiles import SLICES
from harness.league.run_blocks import run_blocks
from harness.league.schedule import fitting_idle_clients, suited_idle_clients
from harness.model import Implementation
from harness.processes.standstill import active_s

CLIENTS = 100
ROUNDS = 10
PACED_EVERY = 3  # rounds: with two servers the longer slices cost little
PLAN = tuple(msgspec.structs.replace(plan, every=min(plan.every, PACED_EVERY)) for plan in SLICES)
IDLE_CLIENTS = 1000
ATTEMPTS = 3  # at a block in which nothing stands still


@dataclass(frozen=True)
class LiveComparison:
    """The result of a live comparison.

    Attributes:
        names: of the two servers.
        changes: how the second differs from the first.
        note: how it was measured, in a sentence.
    """

    names: tuple[str, str]
    changes: Sequence[Change]
    note: str


async def load_in_turns(
    servers: tuple[Implementation, Implementation],
    names: tuple[str, str],
    seconds: float,
    *,
    seed: int,
    ended: Callable[[BlockResult], None],
    rounds: int = ROUNDS,
) -> list[BlockResult]:
    """Run blocks of two servers until the time is up, and at least as many as a comparison needs.

    A block in which everything stood still does not count. After several in a row there are no more.

    Args:
        servers: the two.
        names: of their entries; they differ, also where the servers are the same.
        seconds: how long.
        seed: of the orders within the blocks.
        ended: called with each result.
        rounds: of a block.
    """
    until, blocks = active_s() + seconds, list[BlockResult]()

    def goes_on() -> bool:
        latest = blocks[-ATTEMPTS:]
        if any(block.failed for block in latest) or (len(latest) == ATTEMPTS and all(map(_is_disturbed, latest))):
            return False
        return len(blocks) - sum(map(_is_disturbed, blocks)) < fewest_blocks() or active_s() < until

    def requests() -> Iterator[BlockRequest]:
        while goes_on():
            yield BlockRequest(
                number=len(blocks),
                spec=servers[0].spec,
                entries=tuple(map(Entry, names)),
                implementations=servers,
                plan=PLAN,
                rounds=rounds,
                clients=CLIENTS,
                idle_clients=fitting_idle_clients(CLIENTS, suited_idle_clients(servers[0].spec, IDLE_CLIENTS)),
                seed=seed,
            )

    def keep(result: BlockResult) -> None:
        blocks.append(result)
        ended(result)

    await run_blocks(requests(), lambda request: None, keep)
    return blocks


def _is_disturbed(block: BlockResult) -> bool:
    return bool(block.disturbed)


def changes(blocks: Sequence[BlockResult], names: tuple[str, str], seed: int) -> list[Change]:
    """Return how the second server differs from the first, in each measure, with simultaneous intervals.

    Args:
        blocks: the results.
        names: of the two entries.
        seed: of the sign patterns.
    """
    return changes_of(list(pair_in_blocks(blocks, blocks[0].spec, *names)), seed=seed) if blocks else []
