"""A load of several processes: one verdict and one set of figures, and one end for all of them.

What is judged over all processes is shown with several ranks in one process, whose clients a test writes to; what
processes do to each other, with processes.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from multiprocessing.connection import Connection, Pipe
from subprocess import PIPE
from typing import Literal, TypeVar

import anyio
import psutil
import pytest
from anyio.abc import Process

from harness import plugins
from harness.errors import HarnessError, Violation
from harness.history.judge import judge
from harness.load import latency
from harness.load.__main__ import LoadAnswer, LoadRequest
from harness.load.engine import choose
from harness.load.load import LoadSnapshot
from harness.load.processes import FirstProcessLost, LoadProcesses
from harness.model import Implementation
from harness.processes import warden
from harness.processes.workers import PYTHON
from harness.records import from_json, to_json
from harness.servers.launch import launch
from harness.servers.resources import usage
from tests.swarm_room import Room, history, random_streams
from tests.zoo import MUTANTS, implementation

T = TypeVar("T")
CORES = ["native", "python"]
COUNTS = [2, 3]
EACH = 2  # clients of a rank
SERVER = next(one for one in plugins.implementations() if (one.spec, one.name) == ("broadcast", "selectors"))
LIMIT_S = 60
WORK_S = 0.5  # of processor time, several times what a server needs to start and to take some clients


@pytest.fixture(params=CORES, autouse=True)
def which(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which core is tested."""
    monkeypatch.setenv(choose.ENGINE_VARIABLE, request.param)
    try:
        return choose.engine_name()
    except HarnessError as error:
        pytest.skip(str(error))


# --- one verdict


class Rooms:
    """A room for each rank, of one load on one server.

    Args:
        speakers: the client of each voice, in the numbers of the whole load: client n is of rank n modulo `count`.
    """

    def __init__(self, count: int, speakers: Sequence[int]) -> None:
        pairs: list[tuple[Connection, Connection]] = [Pipe() for _ in range(1, count)]
        self._ranks = [LoadProcesses(0, count, [one for one, _ in pairs])]
        self._ranks += [LoadProcesses(rank, count, [other]) for rank, (_, other) in enumerate(pairs, 1)]
        self._speakers = speakers
        self.rooms = [Room(EACH, speakers, ranks=one) for one in self._ranks]

    def say(self, voice: int, count: int) -> None:
        """Let a voice say its next messages."""
        load = self.rooms[self._speakers[voice] % len(self.rooms)].load
        load.engine.send(voice, count)
        load.step(0)

    def deliver(self, rank: int, *messages: tuple[int, int]) -> None:
        """Deliver messages to all clients of a rank."""
        for client in range(EACH):
            self.rooms[rank].deliver(client, *messages)

    def judge(self) -> None:
        """Let all judge at the same time; raise the Violation that rank 0 would tell of."""
        self.each(Room.judge)

    def each(self, do: Callable[[Room], T]) -> T:
        """Let all do something at the same time; return what rank 0 has from it, or raise what it would tell of."""

        def one_of_them(room: Room, ranks: LoadProcesses) -> T:
            try:
                had = do(room)
                ranks.gather(None)
            except Violation as violation:
                if not ranks.rank:
                    raise
                ranks.report_violation(violation)
                raise
            finally:
                if not ranks.rank:
                    ranks.close()
            return had

        with ThreadPoolExecutor(len(self.rooms)) as threads:
            done = [threads.submit(one_of_them, *one) for one in zip(self.rooms, self._ranks, strict=True)]
        for one in done[1:]:
            with suppress(FirstProcessLost, Violation):  # which is told by rank 0
                one.result()
        return done[0].result()

    def close(self) -> None:
        for ranks, room in zip(self._ranks, self.rooms, strict=True):
            ranks.close()
            room.close()


@pytest.fixture(params=COUNTS)
def all_ranks(request: pytest.FixtureRequest) -> Iterator[Rooms]:
    """Rooms in which both voices, clients 0 and 1 of ranks 0 and 1, have said three messages."""
    rooms = Rooms(request.param, [0, 1])
    for voice in (0, 1):
        rooms.say(voice, 3)
    yield rooms
    rooms.close()


A, B = [(0, number) for number in range(3)], [(1, number) for number in range(3)]


def test_the_same_order_in_all_ranks_is_lawful(all_ranks: Rooms) -> None:
    for rank, _ in enumerate(all_ranks.rooms):
        all_ranks.deliver(rank, *A, *B)
    all_ranks.judge()
    clients = len(all_ranks.rooms) * EACH
    assert sum(room.load.engine.received_count(client) for room in all_ranks.rooms for client in range(EACH)) == clients * 6


def test_ranks_that_hear_different_orders_are_found_out(all_ranks: Rooms) -> None:
    for rank, _ in enumerate(all_ranks.rooms):
        all_ranks.deliver(rank, *((A[0], B[0]) if rank else (B[0], A[0])))
    with pytest.raises(Violation, match="disagreement"):
        all_ranks.judge()


def test_a_rank_that_has_heard_nothing_hides_no_disagreement_of_others(which: str) -> None:
    rooms = Rooms(3, [0, 1])
    for voice in (0, 1):
        rooms.say(voice, 3)
    rooms.deliver(1, A[0], B[0])
    rooms.deliver(2, B[0], A[0])
    with pytest.raises(Violation, match="disagreement"):
        rooms.judge()
    rooms.close()


def test_what_a_rank_does_not_hear_is_lawful(all_ranks: Rooms) -> None:
    for rank, _ in enumerate(all_ranks.rooms):
        all_ranks.deliver(rank, *((A[0], B[0], A[2]) if rank else (A[0], A[1], B[1], A[2])))
    all_ranks.judge()


def test_streams_that_differ_where_nobody_has_heard_both_are_lawful(all_ranks: Rooms) -> None:
    """The stream of rank 0's group has A before B, and no client has heard them so."""
    all_ranks.rooms[0].deliver(0, A[0])
    all_ranks.rooms[0].deliver(1, B[0])
    for rank, _ in enumerate(all_ranks.rooms[1:], 1):
        all_ranks.deliver(rank, B[0], A[0])
    all_ranks.judge()


def test_whoever_has_parted_is_compared_as_well(all_ranks: Rooms) -> None:
    """No two clients have heard the same two messages, and their three streams make a circle all the same."""
    all_ranks.rooms[0].deliver(0, A[0], A[1])
    all_ranks.rooms[0].deliver(1, A[1], B[0])
    for rank, _ in enumerate(all_ranks.rooms[1:], 1):
        all_ranks.deliver(rank, B[0], A[0])
    with pytest.raises(Violation, match="no one order fits"):
        all_ranks.judge()


def test_what_another_rank_has_never_said_is_found_out(all_ranks: Rooms) -> None:
    all_ranks.deliver(1, *A, (0, 3))
    with pytest.raises(Violation, match="nobody has sent"):
        all_ranks.judge()


def test_one_who_has_parted_hears_what_another_rank_has_never_said(all_ranks: Rooms) -> None:
    """It stands where the group's stream has no place for it."""
    all_ranks.rooms[1].deliver(0, A[0], A[1])
    all_ranks.rooms[1].deliver(1, A[0], (0, 3), A[1])
    with pytest.raises(Violation, match="nobody has sent"):
        all_ranks.judge()


def test_the_order_of_a_sender_in_another_rank_is_judged(all_ranks: Rooms) -> None:
    all_ranks.deliver(1, A[1], A[0])
    with pytest.raises(Violation, match="sender order"):
        all_ranks.judge()


def test_an_answer_before_its_question_is_found_out_across_ranks(all_ranks: Rooms) -> None:
    """Voice 1, of rank 1, has heard all of voice 0 when it says its fourth, which rank 1 never hears."""
    all_ranks.deliver(1, *A)
    all_ranks.say(1, 1)
    for rank in {0, *range(2, len(all_ranks.rooms))}:
        all_ranks.deliver(rank, (1, 3), *A)
    with pytest.raises(Violation, match="answer first"):
        all_ranks.judge()


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("kind", ["lawful", "any"])
def test_random_streams_are_judged_as_the_exact_judge_does(kind: Literal["lawful", "any"], count: int) -> None:
    """Whatever is heard in whichever rank, in random pieces: never another verdict than that over all streams."""
    chance = random.Random(11)
    verdicts = []
    for _ in range(100):
        speakers, said, streams = random_streams(chance, EACH * count, kind)
        rooms = Rooms(count, speakers)
        for voice in range(len(speakers)):
            rooms.say(voice, said)
        rest = [rooms.rooms[0].frames(*stream) for stream in streams]
        found = True
        try:
            while any(rest):
                client = chance.choice([client for client, data in enumerate(rest) if data])
                cut = chance.choice((1, 20, 33, 60, 99, 500))
                rooms.rooms[client % count].write(client // count, rest[client][:cut])
                rest[client] = rest[client][cut:]
            rooms.judge()
        except Violation:
            found = False
        finally:
            rooms.close()
        verdicts.append(not judge(history(streams, speakers, said)))
        assert found == verdicts[-1], (speakers, streams)
    assert all(verdicts) if kind == "lawful" else 20 < sum(verdicts) < 80


# --- one set of figures


def test_counts_are_added_and_the_busiest_process_tells_the_share(all_ranks: Rooms) -> None:
    """Rank 0 hears all, the others half; they use 1, 2 and 3 tenths of their cores."""
    for rank, _ in enumerate(all_ranks.rooms):
        all_ranks.deliver(rank, *A, *([] if rank else B))

    def shares(room: Room) -> dict[str, float]:
        room.judge()
        cpu_s = (room.load.ranks.rank + 1) / 10
        return room.load.shares(LoadSnapshot(0.0, 0, 0.0, 0.0), LoadSnapshot(1.0, 0, 0.0, cpu_s))

    count = len(all_ranks.rooms)
    figures = all_ranks.each(shares)
    assert figures["clients"] == EACH * count
    assert figures["generator_processes"] == count
    assert figures["generator_cpu_share"] == count / 10
    assert figures["dropped_share"] == pytest.approx((count - 1) / (2 * count))


@pytest.fixture
def count(which: str) -> int:
    """How many processes: what starts some is tried with two of one core and three of the other."""
    return 2 if which == "native" else 3


@asynccontextmanager
async def loading(
    server: Implementation, workload: str, count: int, **changes: float
) -> AsyncIterator[tuple[Process, int]]:
    """A load of so many processes on a server, in its smallest form but for the changes; and the server's pid."""
    profiles = plugins.workloads()[workload].profiles
    parameters = {**profiles.get("smoke", profiles["quick"]), **changes}
    async with launch(server, grace_s=2) as running:
        asked = LoadRequest(
            address=str(running.address),
            server_pid=running.pid,
            spec=server.spec,
            workload=workload,
            parameters=parameters,
            processes=count,
        )
        async with await anyio.open_process([*PYTHON, "harness.load"], stdout=PIPE, stderr=PIPE) as process:
            assert process.stdin
            await process.stdin.send(to_json(asked))
            await process.stdin.aclose()
            try:
                yield process, running.pid
            finally:
                if process.returncode is None:
                    process.kill()


async def ended(process: Process) -> tuple[bytes, str]:
    """Return what a load has answered and complained of, when it has ended."""
    assert process.stdout and process.stderr
    said, complaints = b"", b""
    with anyio.fail_after(LIMIT_S):
        async for data in process.stdout:
            said += data
        async for data in process.stderr:
            complaints += data
        await process.wait()
    return said, complaints.decode()


async def answer(server: Implementation, workload: str, count: int, **changes: float) -> LoadAnswer:
    async with loading(server, workload, count, **changes) as (process, _):
        said, complaints = await ended(process)
    assert process.returncode == 0, complaints
    return from_json(said, LoadAnswer)


async def test_a_flood_of_several_processes_has_one_set_of_figures(count: int) -> None:
    told = await answer(SERVER, "flood", count)
    assert told.violation == ""
    assert told.figures["clients"] == 20
    assert told.figures["generator_processes"] == count
    assert told.figures["dropped_share"] == 0
    assert told.figures["deliveries_per_s"] > 0
    assert told.figures["generator_rss_bytes"] > count * 10e6


async def test_a_schedule_is_said_and_timed_by_all_processes(count: int) -> None:
    told = await answer(SERVER, "paced", count, rate_per_s=300, seconds=1, warm_up_s=0)
    assert told.violation == ""
    assert told.figures["dropped_share"] == 0
    assert latency.merge([told.histogram]).get_total_count() == pytest.approx(300, abs=30)
    assert 0.5 < told.figures["sent_share"] <= 1.1


async def test_what_cannot_be_split_is_done_by_one_process() -> None:
    told = await answer(SERVER, "idle", 2)
    assert told.figures["clients"] == 50
    assert "generator_processes" not in told.figures


async def test_a_liar_is_found_out_by_several_processes() -> None:
    told = await answer(implementation(MUTANTS / "broken" / "receivers_disagree.py"), "flood", 2, seconds=2)
    assert "disagreement" in told.violation


async def test_who_loses_messages_is_lawful_for_several_processes() -> None:
    told = await answer(implementation(MUTANTS / "conforming" / "loses_one_in_fifty.py"), "flood", 3)
    assert told.violation == ""
    assert told.figures["dropped_share"] > 0


# --- one end


async def has_begun(server_pid: int) -> None:
    """Return when a flood is under way: a server works for nothing else so long."""
    with anyio.fail_after(LIMIT_S):
        while usage(server_pid).cpu_s < WORK_S:
            await anyio.sleep(0.01)  # of what another process has done there are no news


async def killed(one: int, all_of_them: list[int]) -> None:
    """Kill a process; return when all are gone."""
    os.kill(one, signal.SIGKILL)
    with anyio.fail_after(LIMIT_S):
        while any(map(is_alive, all_of_them)):
            await anyio.sleep(0.01)  # who is no child of ours tells nobody of its end


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_process_that_is_killed_is_the_end_of_the_load(count: int) -> None:
    async with loading(SERVER, "flood", count, seconds=LIMIT_S * 2) as (process, server_pid):
        await has_begun(server_pid)
        others = warden.children(process.pid)
        assert len(others) == count - 1
        await killed(others[-1], others)
        said, complaints = await ended(process)
    assert process.returncode != 0
    assert said == b""
    assert f"process {count - 1} of the load's {count} was ended by SIGKILL" in complaints.strip().splitlines()[-1]


async def test_when_the_first_is_killed_none_is_left() -> None:
    async with loading(SERVER, "flood", 3, seconds=LIMIT_S * 2) as (process, server_pid):
        await has_begun(server_pid)
        others = warden.children(process.pid)
        assert len(others) == 2
        await killed(process.pid, [process.pid, *others])
