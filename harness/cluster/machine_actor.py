"""A machine in a load of several machines: an actor of Dask, which holds its processes there between two calls.

When its worker ends, by whatever signal, or the client is lost, all these processes end with it. An actor is not made
again elsewhere: a load that has lost a machine has no meaning any more.
"""

from __future__ import annotations

from contextlib import ExitStack

import anyio

from harness.addresses import free_address
from harness.cluster.shaping import Shaper, Shaping
from harness.cluster.tasks import own_declaration, restore_environment
from harness.league.bench import LocalTrials
from harness.league.messages import TrialRequest
from harness.model import Implementation, TrialResult
from harness.processes.held import HeldProcess
from harness.processes.workers import PYTHON
from harness.servers.resources import raise_descriptor_limit, usable_cores
from harness.zoo import build

MOST_SHARES = 4  # of a load on one machine: it has the whole machine, but more are not needed to fill a network


class MachineActor:
    """A machine in a load of several machines.

    Args:
        host: its address, as the other machines reach it.
    """

    def __init__(self, host: str) -> None:
        restore_environment()
        self._host = host
        self._shares: list[HeldProcess] = []
        self._shaper: Shaper | None = None
        self._reservation = ExitStack()

    def build(self, server: Implementation) -> str:
        """Build a server, where it is not built; return why that failed, or ""."""
        return anyio.run(build.try_build, own_declaration(server))

    def reserve(self) -> str:
        """Return an address for the server, which nothing else of the harness on this machine takes until `end`."""
        return str(self._reservation.enter_context(free_address(self._host)))

    def shape(self, shaping: Shaping) -> str:
        """Set a network until `end`; return why that is impossible, or ""."""
        self._shaper = Shaper(shaping)
        return self._shaper.problem

    def open_shares(self, key: str, clients: int) -> list[str]:
        """Start processes of a load, one for each core; return where they listen for the first process.

        Args:
            key: which that process must prove to know, in hexadecimal digits.
            clients: of the load, over all machines.
        """
        raise_descriptor_limit(clients)
        count = min(max(1, len(usable_cores())), MOST_SHARES, clients)
        self._shares = [HeldProcess([*PYTHON, "harness.load", self._host]) for _ in range(count)]
        for share in self._shares:
            share.send(key)
        return [share.receive() for share in self._shares]

    def run_trial(self, request: TrialRequest) -> TrialResult:
        """Run a trial with the server on this machine."""
        return anyio.run(_run_trial, request)

    def end(self) -> list[str]:
        """End everything here; return the last words of processes of the load that wrote any."""
        if self._shaper:
            self._shaper.end()
            self._shaper = None
        self._reservation.close()
        shares, self._shares = self._shares, []
        return [words for share in shares if (words := share.end())]


async def _run_trial(request: TrialRequest) -> TrialResult:
    """Run the trial in a process of its own."""
    server = own_declaration(request.implementation)
    async with LocalTrials() as trials:
        return await trials.run(TrialRequest(request.plan, server, request.address, request.remote))
