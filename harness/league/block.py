"""A worker that runs blocks: fresh servers side by side, each loaded in turn for slices of some tens of milliseconds.

    python -m harness.league.block

The speed of a shared machine changes within a fraction of a second, so two trials of a second each, one after the
other, cannot be compared as well as many short slices in random turns (Abedi and Brecht 2017; Bulej and others 2020). A
block starts all its servers, keeps them and their clients, and goes through some rounds. In a round each server gets
one slice of each kind; the servers' order is random, and every other round takes it backwards, so that what drifts
falls on all alike. Each line of standard input asks for a block, each line of standard output is its result. The
servers stay on the first core of the machine and the load on the others, where there is more than one; only to start
they use all cores, each of them one.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime

import anyio
import anyio.abc
import msgspec

from harness import plugins
from harness.blocks import BlockResult, Role, SliceResult
from harness.errors import HarnessError, LaunchError
from harness.kinds import Reference
from harness.league.measures import THROUGHPUT
from harness.league.messages import BlockRequest
from harness.league.trial import EXIT_WAIT_S, MOST_PROCESSES, Cores, split_cores
from harness.load.messages import CloseServer, LoadAnswer, LoadSlice, OpenServer, SliceMessage
from harness.load.resident import KINDS
from harness.load.slices import FIRST, MODULE
from harness.model import Implementation
from harness.processes import own_children
from harness.processes.affinity import move_to
from harness.processes.deadlines import completes_within
from harness.processes.disturbances import MachineWatch
from harness.processes.limits import raise_soft_limits
from harness.processes.tasks import background_tasks
from harness.processes.workers import PYTHON, NoAnswer, Worker, WorkerDied
from harness.records import from_json, to_json
from harness.servers.launch import launch, wait_for_last_words
from harness.servers.process import Server
from harness.servers.resources import raise_descriptor_limit, what_ran_out

STARTING = 4  # servers that start at the same time: with more, the last ones would wait too long for a processor
ANSWER_S = 60.0  # at most, for one request about one server
ATTEMPTS = 3  # at a slice
LAST_BYTES_S = 0.02  # for servers that send more than they should, before the load looks for the last time
# Slices of each flood with several messages in flight, before the first round, while they become faster: runtimes that
# compile while they run begin slowly, and the load has to find out how many messages each server takes in a slice.
WARM_UP_S, LEAST_WARM_UP, MOST_WARM_UP = 0.01, 2, 16
FIND_S = 0.002  # for the slice before those, which only finds out how many messages are in flight in the next
FASTER = 1.25  # times the rate of the slice before
OF_RELAY = "few"  # the kind of slices of the baseline relay; it has one sender then
OF_ALL = "all"  # the kind of slices in which all clients send


@asynccontextmanager
async def open_load(cores: Cores) -> AsyncIterator[Worker]:
    """Start the process that holds the clients of all servers of a block, for the duration of the context."""
    count = min(max(1, len(cores.load)), MOST_PROCESSES)
    command = [*PYTHON, MODULE, FIRST, str(count), *map(str, cores.load)]
    async with await anyio.open_process(command) as process, background_tasks() as tasks:
        own_children.mark(process.pid)
        worker = Worker(process)
        tasks.start_soon(worker.collect_stderr)
        try:
            yield worker
        finally:
            with suppress(ProcessLookupError):  # it has ended already
                process.kill()


class LoadEnded(Exception):
    """The process that holds the clients of all servers has ended or hangs; the server it loaded is out now."""


class Block:
    """One block while it runs.

    Args:
        request: what to do.
        cores: those of the servers and of the load.
    """

    def __init__(self, request: BlockRequest, cores: Cores) -> None:
        self._request, self._cores = request, cores
        # One core at a time, as later: a runtime decides at its start how many threads it needs.
        self._starting_cores = itertools.cycle(cores.server + cores.load)
        self._servers: dict[int, Server] = {}
        self._failed: dict[int, str] = {}
        self._disturbed: dict[int, str] = {}
        self._slices: list[SliceResult] = []
        self._begun, self._started = time.monotonic(), datetime.now(UTC)

    async def run(self) -> BlockResult:
        """Start the servers, load them in turns, end them; return the result."""
        starting, done = anyio.CapacityLimiter(STARTING), anyio.Event()
        async with anyio.create_task_group() as tasks:
            for number, implementation in enumerate(self._request.implementations):
                await tasks.start(self._host, number, implementation, starting, done)
            try:
                async with open_load(self._cores) as load:
                    await self._connect(load)
                    if self._cores.server:
                        os.sched_setaffinity(0, self._cores.server)  # this process waits most of the time
                    await self._warm_up(load)
                    for place in range(self._request.rounds):
                        await self._round(load, place)
                    await self._close(load)
            except LoadEnded:
                pass  # what was measured before counts
            finally:
                for server in self._servers.values():
                    server.signal_all(signal.SIGCONT)
                done.set()
        return BlockResult(
            number=self._request.number,
            spec=self._request.spec,
            entries=self._request.entries,
            slices=tuple(self._slices),
            failed={str(number): reason for number, reason in self._failed.items()},
            seconds=round(time.monotonic() - self._begun, 3),
            started=self._started.isoformat(timespec="seconds"),
            clients=self._request.clients,
            plan=self._request.plan,
            disturbed={str(number): reason for number, reason in self._disturbed.items()},
        )

    @property
    def _out(self) -> set[int]:
        """The servers that get no more slices."""
        return {*self._failed, *self._disturbed}

    async def _host(
        self,
        number: int,
        implementation: Implementation,
        starting: anyio.CapacityLimiter,
        done: anyio.Event,
        *,
        task_status: anyio.abc.TaskStatus[None],
    ) -> None:
        """Keep one server for as long as the block lasts; it is in `_servers` when it is ready."""
        task_status.started()
        watch = MachineWatch()
        try:
            async with AsyncExitStack() as stack:
                async with starting:
                    if self._cores.server:
                        os.sched_setaffinity(0, (next(self._starting_cores),))
                    server = await stack.enter_async_context(launch(implementation, grace_s=2))
                    if self._cores.server:
                        move_to(server.pid, self._cores.server)
                self._servers[number] = server
                await done.wait()
        except LaunchError as error:
            self._leave_out(number, str(error), watch.ran_out(str(error)), watch.stood_still())
        except HarnessError as error:  # no port is free, no process can be started
            self._leave_out(number, str(error), watch.ran_out(str(error)) or str(error), watch.stood_still())

    async def _connect(self, load: Worker) -> None:
        """Connect the clients of each server as soon as it is ready."""
        waiting = set(range(len(self._request.implementations)))
        while waiting := waiting - self._out:
            ready = sorted(waiting & set(self._servers))
            if not ready:
                await anyio.sleep(0.005)
                continue
            number = ready[0]
            waiting.remove(number)
            server = self._servers[number]
            message = OpenServer(
                entry=number,
                address=str(server.address),
                server_pid=server.pid,
                spec=self._request.spec,
                clients=self._request.clients,
                idle_clients=0 if self._is_relay(number) else self._request.idle_clients,
                is_relay=self._is_relay(number),
                reference=reference.name if (reference := self._reference(number)) else "",
            )
            answer = await self._ask(load, number, message)
            if answer and answer.figures:
                self._add(-1, number, "idle", answer)

    async def _warm_up(self, load: Worker) -> None:
        """Load each server for a moment that does not count, by the floods of the plan."""
        kinds = [plan.kind for plan in self._request.plan if KINDS[plan.kind].in_flight > 1]
        for number, kind in itertools.product(range(len(self._request.implementations)), kinds):
            rate_per_s = 0.0
            for slices in range(1 + MOST_WARM_UP if self._takes(number, kind) else 0):
                message = LoadSlice(entry=number, kind=kind, warm_up_s=0, seconds=WARM_UP_S if slices else FIND_S)
                if number in self._out or not (answer := await self._ask(load, number, message)):
                    break
                before_per_s, rate_per_s = rate_per_s, answer.figures[THROUGHPUT]
                if slices >= LEAST_WARM_UP and rate_per_s < FASTER * before_per_s:
                    break

    async def _round(self, load: Worker, place: int) -> None:
        for plan in self._request.plan:
            if place % plan.every:
                continue
            for number in self._order(plan.kind, place):
                if number in self._out or not self._takes(number, plan.kind):
                    continue
                message = LoadSlice(
                    entry=number, kind=plan.kind, warm_up_s=self._request.warm_up_s, seconds=plan.seconds
                )
                if answer := await self._load_again_if_disturbed(load, number, message):
                    self._add(place, number, plan.kind, answer)

    def _takes(self, number: int, kind: str) -> bool:
        """Return whether an entry is loaded by slices of a kind."""
        reference = self._reference(number)
        has_one_sender = reference is not None and not reference.orders_senders
        return kind == OF_RELAY if self._is_relay(number) else kind != OF_ALL or not has_one_sender

    def _is_relay(self, number: int) -> bool:
        return self._request.entries[number].role is Role.BASELINE

    def _reference(self, number: int) -> Reference | None:
        entry = self._request.entries[number]
        return plugins.references()[entry.name] if entry.role is Role.REFERENCE else None

    def _order(self, kind: str, place: int) -> Iterator[int]:
        """Yield the servers in the order of a round: random in an even one, backwards in the next."""
        order = list(range(len(self._request.implementations)))
        random.Random(f"{self._request.seed} {self._request.number} {kind} {place // 2}").shuffle(order)
        yield from reversed(order) if place % 2 else order

    async def _close(self, load: Worker) -> None:
        """Let the load verify all that it has received, and what a server sends although it has sent everything.

        All servers have the time for that at once: nothing is measured any more.
        """
        for number, server in self._servers.items():
            if number not in self._out:
                server.signal_all(signal.SIGCONT)
        await anyio.sleep(LAST_BYTES_S)
        for number in self._servers:
            if number not in self._out:
                await self._ask(load, number, CloseServer(entry=number))

    async def _load_again_if_disturbed(self, load: Worker, number: int, message: LoadSlice) -> LoadAnswer | None:
        """Return the result of a slice in which nothing stood still, or None: there is no such result."""
        for _ in range(ATTEMPTS):
            answer = await self._ask(load, number, message)
            if answer is None or not answer.stood_still_s:
                return answer
        return None

    async def _ask(self, load: Worker, number: int, message: SliceMessage) -> LoadAnswer | None:
        """Return the answer to a request about a server, or None, and the server is out of the block."""
        watch, begun = MachineWatch(), time.monotonic()
        try:
            answer = from_json(await load.request(to_json(message), ANSWER_S), LoadAnswer)
        except WorkerDied as error:
            # A server may keep the load waiting, but does not end its process; the last line is that of a traceback.
            own_fault = "" if isinstance(error, NoAnswer) else f"the harness's own fault: {str(error).splitlines()[-1]}"
            ran_out = watch.ran_out(str(error)) or own_fault
            self._leave_out(number, f"it could not be loaded: {error}", ran_out, watch.stood_still())
            raise LoadEnded from None
        if answer.hindrance:
            self._servers[number].signal_all(signal.SIGCONT)
            self._leave_out(number, answer.hindrance, answer.hindrance, watch.stood_still(answer.stood_still_s))
            return None
        if not answer.violation:
            if answer.figures:
                answer.figures["throttled_share"] = watch.throttled_s() / (time.monotonic() - begun)
            return msgspec.structs.replace(answer, stood_still_s=watch.standstill_s(answer.stood_still_s))
        server, reason = self._servers[number], answer.violation
        server.signal_all(signal.SIGCONT)
        has_all = what_ran_out(server.pid)
        # Its connections may have ended a moment before the server itself.
        await completes_within(server.wait, EXIT_WAIT_S, server.pid)
        if server.status is not None:
            await wait_for_last_words(server)
            reason = f"the server {server.exit_description()} in the middle of the block"
            if words := server.stderr.last_words():
                reason += f"; its last words: {words}"
        self._leave_out(number, reason, watch.ran_out(reason) or has_all, watch.stood_still(answer.stood_still_s))
        return None

    def _leave_out(self, number: int, reason: str, ran_out: str, stood_still: str) -> None:
        """Let a server have no more slices in this block.

        Args:
            number: of its entry.
            reason: what it did.
            ran_out: what a program needs and could not have here, or the harness's own fault, or "".
            stood_still: for how long everything stood still, or "": then the next block shows whether the server fails.
        """
        if disturbance := ran_out or stood_still:
            self._disturbed[number] = disturbance
        if ran_out or not stood_still:
            self._failed[number] = ran_out or reason

    def _add(self, place: int, number: int, kind: str, answer: LoadAnswer) -> None:
        self._slices.append(
            SliceResult(
                round=place,
                entry=number,
                kind=kind,
                at_s=time.monotonic() - self._begun,
                figures=answer.figures,
                histogram=answer.histogram,
            )
        )


def main() -> None:
    """Run the requested blocks until standard input ends."""
    raise_descriptor_limit()
    raise_soft_limits()
    cores = split_cores()
    if cores.server:
        os.sched_setaffinity(0, cores.server)
    answers = os.dup(1)
    os.dup2(2, 1)
    with open(answers, "wb", buffering=0) as out:
        for line in sys.stdin.buffer:
            result = anyio.run(Block(from_json(line, BlockRequest), cores).run)
            out.write(to_json(result) + b"\n")


if __name__ == "__main__":
    main()
