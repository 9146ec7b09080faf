"""The client's side of a cluster: connects, knows the machines, hands out tasks and takes their results.

Dask decides which machine does what, and does a task again elsewhere when its worker dies. Results go to the disk of
the client as they come; tasks of a client that is lost are dropped, and a resumed run asks for them again.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import distributed

from harness.blocks import BlockResult
from harness.cluster import tasks
from harness.cluster.spread import SpreadLoad, open_spread_load
from harness.conformance.check import CheckOptions
from harness.conformance.pool import Watcher
from harness.errors import HarnessError, UsageError
from harness.league.messages import BlockRequest
from harness.machines import Machine
from harness.model import CaseResult, CheckResult, Implementation, Verdict
from harness.network import Network
from harness.processes.workers import PYTHON, open_worker

LOCAL = re.compile(r"local:([1-9]\d?)")
START_S = 60.0  # at most, until a local cluster has its workers
CONNECT_S = 30.0
RETRIES = 2  # of a task that failed; deaths of workers are counted by Dask ("allowed-failures")

# When a run ends while blocks are under way, it would tell that with a traceback.
logging.getLogger("distributed.batched").setLevel(logging.WARNING)

Submitted = dict[distributed.Future, str]  # what each task is, in words


class Cluster:
    """A cluster for the duration of a run; created by `open_cluster()`.

    Args:
        client: the connection to the scheduler.
        reports: what each machine says about itself.
        has_dashboard: whether the scheduler shows what each machine does.
    """

    def __init__(
        self, client: distributed.Client, reports: Sequence[tasks.MachineReport], *, has_dashboard: bool
    ) -> None:
        self._client, self._reports, self._has_dashboard = client, list(reports), has_dashboard
        self.machines: dict[str, Machine] = {report.name: report.machine for report in reports}

    @property
    def unavailable(self) -> dict[str, str]:
        """The servers that can run on no machine: "spec/server" → why not on one of them."""
        common = set.intersection(*(set(report.unavailable) for report in self._reports))
        return {name: self._reports[0].unavailable[name] for name in sorted(common)}

    @property
    def remarks(self) -> list[str]:
        """What the user should know: the machines, the dashboard, and what is not as it should be."""
        names = ", ".join(f"{report.name} ({report.machine.kind})" for report in self._reports)
        found = [f"{len(self._reports)} machines: {names}"]
        if self._has_dashboard:
            found.append(f"what each machine does, live: {self._client.dashboard_link}")
        hosts = [report.host for report in self._reports]
        if shared := sorted({host for host in hosts if hosts.count(host) > 1}):
            found.append(f"several workers are on one host and disturb each other: {', '.join(shared)}")
        if loud := [report.name for report in self._reports if not report.is_quiet]:
            found.append(
                f"Dask itself takes some 5 % of a core on {', '.join(loud)}: start workers with "
                "DASK_CONFIG=harness/cluster/quiet.yaml"
            )
        return found

    @property
    def workers(self) -> int:
        """How many workers there are now, as far as the client knows: it asks the scheduler every two seconds."""
        info = self._client.scheduler_info()
        return int(info.get("n_workers", len(info["workers"])))  # an asynchronous client is told the number only

    def spread_load(self, network: Network | None) -> AbstractAsyncContextManager[SpreadLoad]:
        """Return a context for trials whose load comes from all machines but the server's.

        Args:
            network: what to set between the machines; None to leave it as it is.
        """
        return open_spread_load(self._client, self._reports, network)

    async def fitting(self, clients: int, idle_clients: int) -> tuple[int, int]:
        """Return how many servers fit into a block on every machine, and with how many idle clients.

        Args:
            clients: how many clients each server has.
            idle_clients: how many are wanted.
        """
        each = (await self._client.run(tasks.fitting, clients, idle_clients)).values()
        return min(at_once for at_once, _ in each), min(idle for _, idle in each)

    async def run_blocks(
        self,
        requests: Iterable[BlockRequest],
        starting: Callable[[BlockRequest], None],
        ended: Callable[[BlockResult], None],
    ) -> None:
        """Run blocks, as many at a time as there are workers.

        Args:
            requests: the next one is taken when a worker is free, so it can depend on the results so far.
            starting: called before each block.
            ended: called with each result, as it comes.

        Raises:
            HarnessError: a block cannot be done on any machine.
        """
        upcoming, under_way = iter(requests), Submitted()
        while True:
            while len(under_way) < max(1, self.workers) and (request := next(upcoming, None)):
                starting(request)
                future = self._client.submit(tasks.run_block, request, pure=False, retries=RETRIES)
                under_way[future] = f"block {request.number + 1} of {request.spec}"
            if not under_way:
                return
            for future in await self._ended(under_way):
                outcome: tasks.BlockOutcome = await self._result(future, under_way.pop(future))
                if outcome.result is None:
                    raise HarnessError(outcome.problem)
                self.machines.setdefault(outcome.result.machine, outcome.machine)
                ended(outcome.result)

    async def check(
        self,
        servers: Sequence[Implementation],
        options: CheckOptions,
        watcher: Watcher,
        server_finished: Callable[[CheckResult], None],
        done: Collection[CaseResult] = (),
    ) -> None:
        """Check servers, each on a machine that has its toolchain.

        Args:
            servers: the servers.
            options: which cases run, and how.
            watcher: is called as results come.
            server_finished: called with each server when its check has ended.
            done: results of an earlier run, whose cases do not run again.

        Raises:
            HarnessError: a check cannot be done on any machine.
        """
        under_way = Submitted()
        for server in servers:
            if reason := self.unavailable.get(server.key):
                server_finished(
                    CheckResult(
                        implementation=server.name, spec=server.spec, verdict=Verdict.UNSUPPORTED, message=reason
                    )
                )
                continue
            known = [case for case in done if (case.spec, case.implementation) == (server.spec, server.name)]
            future = self._client.submit(
                tasks.check_server,
                server,
                options,
                known,
                pure=False,
                retries=RETRIES,
                workers=self._workers_with(server),
            )
            under_way[future] = f"the check of {server.name} ({server.spec})"
        while under_way:
            for future in await self._ended(under_way):
                outcome: tasks.CheckOutcome = await self._result(future, under_way.pop(future))
                watcher.planned(len(outcome.cases))
                for case in outcome.cases:
                    watcher.case_ended(case)
                for result in outcome.results:
                    server_finished(result)
                if outcome.problem:
                    raise HarnessError(outcome.problem)

    def _workers_with(self, server: Implementation) -> list[str] | None:
        """Return the names of the workers on which a server can run; None for all."""
        names = [report.name for report in self._reports if server.key not in report.unavailable]
        return None if len(names) == len(self._reports) else names

    async def _ended(self, under_way: Submitted) -> Collection[distributed.Future]:
        ended, _ = await distributed.wait(list(under_way), return_when="FIRST_COMPLETED")
        futures: Collection[distributed.Future] = ended
        return futures

    async def _result(self, future: distributed.Future, what: str) -> Any:
        try:
            return await future
        except distributed.KilledWorker:
            raise HarnessError(f"{what} was given up: each worker that began it has died") from None
        except Exception as error:
            raise HarnessError(f"{what} failed on the cluster: {type(error).__name__}: {error}") from error


@asynccontextmanager
async def open_cluster(where: str, servers: Sequence[Implementation]) -> AsyncIterator[Cluster]:
    """Connect to a cluster for the duration of the context.

    Args:
        where: the address of a Dask scheduler, as tcp://HOST:PORT, or local:N for N workers on this machine, which end
            with the context.
        servers: those of the run.

    Raises:
        UsageError: it is neither, or the harness of a worker is another one.
        HarnessError: there is no scheduler, or it has no workers.
    """
    async with AsyncExitStack() as stack:
        address = where
        if match := LOCAL.fullmatch(where):
            local = await stack.enter_async_context(open_worker([*PYTHON, "harness.cluster.local", match[1]]))
            address = (await local.receive(START_S)).decode()
        elif "://" not in where:
            raise UsageError(
                f'"{where}" is no cluster: write tcp://HOST:PORT, or local:N for N workers on this machine'
            )
        try:
            client = await stack.enter_async_context(distributed.Client(address, asynchronous=True, timeout=CONNECT_S))
        except (OSError, TimeoutError, ValueError) as error:
            raise HarnessError(f"there is no Dask scheduler at {address}: {error}") from None
        reports = list((await client.run(tasks.describe, servers)).values())
        if not reports:
            raise HarnessError(f"the cluster at {address} has no workers: start some with `dask worker {address}`")
        for report in reports:
            if report.harness != tasks.version():
                raise UsageError(
                    f"the harness on {report.name} is {report.harness}, this one is {tasks.version()}: results of two "
                    "versions do not belong into one run"
                )
        has_dashboard = await client.run_on_scheduler(tasks.has_dashboard)
        yield Cluster(client, sorted(reports, key=lambda report: report.name), has_dashboard=has_dashboard)
