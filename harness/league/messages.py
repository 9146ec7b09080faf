"""What the league and its workers send to each other: for trials (the answer is a `TrialResult`), and for blocks."""

from __future__ import annotations

import msgspec

from harness.model import Implementation, TrialPlan


class TrialRequest(msgspec.Struct, frozen=True):
    """A request to run a trial of an implementation."""

    plan: TrialPlan
    implementation: Implementation


class BlockRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request to run a block of slices.

    Attributes:
        number: of the block, from 0.
        implementations: the servers; one that stands in it several times is its own A/A control.
        slice_s: the kinds of slices (see `harness.load.resident.KINDS`) and how long each is measured, in s.
        rounds: how many slices of each kind a server gets.
        warm_up_s: how long a slice sends before it is measured.
        clients: how many clients each server has.
        idle_clients: how many it has at first, when its memory is measured; 0 for no such measurement.
        seed: of the order.
    """

    number: int
    implementations: tuple[Implementation, ...]
    slice_s: dict[str, float]
    rounds: int
    warm_up_s: float = 0.003
    clients: int = 100
    idle_clients: int = 0
    seed: int = 0


class SliceResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one slice.

    Attributes:
        round: the number of the round, from 0; -1 for what was measured before the first one.
        entry: the number of the server in the block.
        kind: of the slice.
        at_s: when it ended, from the beginning of the block.
        figures: name → value, the unit at the end of the name.
        histogram: the latencies, encoded; "" where none were measured.
    """

    round: int
    entry: int
    kind: str
    at_s: float
    figures: dict[str, float]
    histogram: str = ""


class BlockResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a block.

    Attributes:
        number: of the block.
        slices: the results of its slices, in their order.
        failed: by the number of a server, why it is out: it did not start, died, or broke a rule that loads verify.
        seconds: how long the block took.
    """

    number: int
    slices: tuple[SliceResult, ...]
    failed: dict[str, str]
    seconds: float
