"""What a block measures, and how long it is expected to take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from harness.blocks import BlockResult, SlicePlan

# For each entry, on two cores of a shared machine with 34 servers; a block that was made tells how long it is here.
START_S = 0.2  # to start a server, connect its clients, warm it up and end it
IDLE_S = 0.11  # more, where memory is measured
SLICE_S = 0.007  # what a slice takes besides its own time


@dataclass(frozen=True)
class Contents:
    """What a block measures.

    Attributes:
        rounds: how many rounds of slices it has.
        plan: the kinds of slices.
        idle_clients: with how many memory is measured, or 0.
    """

    rounds: int
    plan: tuple[SlicePlan, ...]
    idle_clients: int

    @property
    def seconds_each(self) -> float:
        """How long the part of one entry takes, on the machine of the constants."""
        slices = sum(ceil(self.rounds / kind.every) * (kind.seconds + SLICE_S) for kind in self.plan)
        return START_S + (IDLE_S if self.idle_clients else 0) + slices


def expected_s(entries: float, contents: Contents, blocks: Sequence[BlockResult]) -> float:
    """Return how long a block is expected to take: as much longer than by the constants as the last one that is alike.

    Args:
        entries: how many it has.
        contents: what it measures.
        blocks: those that were made, with the same servers as far as possible.
    """
    alike = [
        block for block in blocks if (block.plan, block.measures_memory) == (contents.plan, contents.idle_clients > 0)
    ]
    planned_s = entries * contents.seconds_each
    if not (known := alike or blocks):
        return planned_s
    last = known[-1]
    made = Contents(last.rounds, last.plan, int(last.measures_memory))
    return planned_s * last.seconds / (len(last.entries) * made.seconds_each)
