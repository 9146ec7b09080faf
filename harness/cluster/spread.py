"""A load that comes from several machines: the server is on one machine of a cluster, and the load on all others.

The trial is that of one machine. It runs beside the server, where the first process of the load is too, without
clients: it reads what the server uses, and connects to the processes on the other machines (`harness.load.remote`),
which have all clients. So each process times its own messages with its own clock, and all verify together as the
processes of one machine do: hashes of their streams first, and the streams only where these differ.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio
import distributed
import msgspec

from harness.cluster.machine_actor import MachineActor
from harness.cluster.shaping import Shaping
from harness.cluster.tasks import MachineReport
from harness.errors import HarnessError, UsageError
from harness.league.messages import TrialRequest
from harness.load.messages import RemoteShares
from harness.model import TrialResult
from harness.network import Network

T = TypeVar("T")
LOOK_S = 1.0  # between two looks at which machines are there
END_S = 10.0  # at most, for what is on the machines to end
KEY_BYTES = 32


class SpreadLoad:
    """Runs trials whose load comes from several machines; created by `open_spread_load()`.

    Args:
        client: the connection to the scheduler.
        reports: what each machine says about itself.
        actors: by the name of a machine, the actor on it.
        network: what to set between the machines; None to leave it as it is.
    """

    def __init__(
        self,
        client: distributed.Client,
        reports: Sequence[MachineReport],
        actors: dict[str, Any],
        network: Network | None,
    ) -> None:
        self._client, self._actors, self._network = client, actors, network
        self._reports = {report.name: report for report in reports}

    async def run_trial(self, request: TrialRequest) -> TrialResult:
        """Run a trial: the server is on the first machine that can run it, the load on all others.

        Args:
            request: the trial, without an address and without processes on other machines.

        Raises:
            HarnessError: a machine was lost, or cannot set the network.
        """
        plan = request.plan
        what = f"the load of {plan.implementation} by {plan.workload}"
        where = self._machine_for(request.implementation.key)
        others = [name for name in self._reports if name != where]
        last_words: list[str] = []
        # Before the processes of the load start, which do not wait for the first one for as long as a build may take.
        if problem := await self._unless_lost(what, self._actors[where].build(request.implementation)):
            return TrialResult(plan=plan, started="", seconds=0, did_not_finish=f"not built: {problem}", machine=where)
        try:
            request = await self._unless_lost(what, self._prepare(request, where, others))
            result: TrialResult = await self._unless_lost(what, self._actors[where].run_trial(request))
        finally:
            with anyio.move_on_after(END_S, shield=True):
                for words in await asyncio.gather(*map(_end, self._actors.values())):
                    last_words += words
        if lost := await self._lost():
            raise HarnessError(self._words_about(lost, what))
        if result.did_not_finish and last_words:
            result = msgspec.structs.replace(result, did_not_finish=f"{result.did_not_finish} ({last_words[0]})")
        return msgspec.structs.replace(result, machine=where, load_machines=tuple(others))

    def _machine_for(self, server: str) -> str:
        return next(name for name, report in self._reports.items() if server not in report.unavailable)

    async def _prepare(self, request: TrialRequest, where: str, others: Sequence[str]) -> TrialRequest:
        """Reserve an address for the server, set the network, and start the processes of the load.

        Args:
            request: the trial.
            where: the machine of the server.
            others: those of the load.

        Returns:
            The trial with that address and these processes.
        """
        address: str = await self._actors[where].reserve()
        if self._network:
            await self._shape(self._network, address, where, others)
        key, clients = secrets.token_hex(KEY_BYTES), int(request.plan.parameters.get("clients", 1))
        shares = await asyncio.gather(*(self._actors[name].open_shares(key, clients) for name in others))
        for name, addresses in zip(others, shares, strict=True):
            if not all(addresses):
                words = ", ".join(await _end(self._actors[name]))
                raise HarnessError(f"a process of the load on {name} did not start: {words or 'it has said nothing'}")
        remote = RemoteShares(shares=tuple(itertools.chain.from_iterable(shares)), key=key)
        plan = msgspec.structs.replace(request.plan, network=self._network)
        return TrialRequest(plan, request.implementation, address, remote)

    async def _shape(self, network: Network, server: str, where: str, others: Sequence[str]) -> None:
        """Set the network on each machine; of several that share their interfaces, on one.

        Args:
            network: what to set.
            server: the address of the server.
            where: its machine.
            others: those of the load.
        """
        names = {self._reports[name].network: name for name in (*others, where)}.values()
        peers = [[self._reports[peer].address for peer in (others if name == where else [where])] for name in names]
        shapings = [Shaping(network=network, server=server, peers=tuple(hosts)) for hosts in peers]
        calls = [self._actors[name].shape(shaping) for name, shaping in zip(names, shapings, strict=True)]
        for name, problem in zip(names, await asyncio.gather(*calls), strict=True):
            if problem:
                raise HarnessError(f'"{network}" cannot be set on {name}: {problem}')

    async def _unless_lost(self, what: str, call: Awaitable[T]) -> T:
        """Return the result of a call of an actor.

        Args:
            what: what is done, for the error.
            call: the call.

        Raises:
            HarnessError: a machine was lost meanwhile, or the call failed.
        """
        results: list[T] = []
        errors: list[Exception] = []

        async def wait() -> None:
            try:
                results.append(await call)
            except Exception as error:
                errors.append(error)
            tasks.cancel_scope.cancel()

        lost: list[str] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            while not (lost := await self._lost()):
                await anyio.sleep(LOOK_S)
            tasks.cancel_scope.cancel()
        if results:
            return results[0]
        if lost := lost or await self._lost():
            raise HarnessError(self._words_about(lost, what))
        if isinstance(errors[0], HarnessError):
            raise errors[0]
        raise HarnessError(f"{what} failed on the cluster: {type(errors[0]).__name__}: {errors[0]}")

    async def _lost(self) -> list[str]:
        """Return the machines whose workers have gone; one that was started again has another address."""
        there = (await self._client.scheduler.identity(n_workers=-1))["workers"]
        return [name for name, report in self._reports.items() if report.worker not in there]

    def _words_about(self, lost: Sequence[str], what: str) -> str:
        return f"{what} ended early: {', '.join(lost)} was lost; the results before it are kept"


async def _end(actor: Any) -> list[str]:
    """End what an actor has started; return its last words, none if its machine is lost."""
    try:
        words: list[str] = await actor.end()
    except Exception:  # of several classes, as it was lost before this or meanwhile
        return []
    return words


@asynccontextmanager
async def open_spread_load(
    client: distributed.Client, reports: Sequence[MachineReport], network: Network | None
) -> AsyncIterator[SpreadLoad]:
    """Put an actor on each machine for the duration of the context.

    Args:
        client: the connection to the scheduler.
        reports: what each machine says about itself.
        network: what to set between the machines; None to leave it as it is.

    Raises:
        UsageError: there is one machine only, or the machines have no addresses for each other.
    """
    if len(reports) < 2:
        raise UsageError("the load comes from the other machines: --cluster needs at least two workers here")
    for report in reports:
        if not report.address:
            raise UsageError(f"{report.name} has no address that the others could reach: {report.worker}")
    futures = {
        report.name: client.submit(MachineActor, report.address, actor=True, pure=False, workers=[report.worker])
        for report in reports
    }
    yield SpreadLoad(client, reports, {name: await future for name, future in futures.items()}, network)
    await client.cancel(list(futures.values()))  # and with the actors what they hold
