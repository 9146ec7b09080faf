"""What the league asks its workers for: a trial (the answer is a `TrialResult`), or a block (a `BlockResult`)."""

from __future__ import annotations

import msgspec

from harness.blocks import Entry, SlicePlan
from harness.load.messages import RemoteShares
from harness.model import Implementation, TrialPlan


class TrialRequest(msgspec.Struct, frozen=True):
    """A request to run a trial of an implementation.

    Attributes:
        plan: what to do.
        implementation: how the server is started.
        address: where the server shall listen; "" for a free port of the loopback interface.
        remote: the processes of the load on other machines; None for a load from this machine.
    """

    plan: TrialPlan
    implementation: Implementation
    address: str = ""
    remote: RemoteShares | None = None


class BlockRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request to run a block of slices.

    Attributes:
        number: of the block among those of its spec, from 0.
        spec: the name of the spec.
        entries: the servers.
        implementations: how each of them is started.
        plan: the kinds of slices.
        rounds: how many rounds of slices the block has.
        warm_up_s: how long a slice on a schedule sends before it is measured.
        clients: how many clients each server has.
        idle_clients: how many it has at first, when its memory is measured; 0 for no such measurement.
        seed: of the order.
    """

    number: int
    spec: str
    entries: tuple[Entry, ...]
    implementations: tuple[Implementation, ...]
    plan: tuple[SlicePlan, ...]
    rounds: int
    warm_up_s: float = 0.003
    clients: int = 100
    idle_clients: int = 0
    seed: int = 0
