"""How a load of several processes is judged: its ranks are in one process here, and a test writes to their clients."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from typing import Literal, TypeVar

import pytest

from harness.errors import Violation
from harness.history.judge import judge
from harness.load.load import LoadSnapshot
from harness.load.processes import FirstProcessLost, LoadProcesses
from tests.swarm_room import Room, each_engine, history, random_streams

T = TypeVar("T")
COUNTS = [2, 3]
EACH = 2  # clients of a rank

engine_name = pytest.fixture(params=["native", "python"], autouse=True)(each_engine)


class Rooms:
    """A room for each rank, of one load on one server.

    Args:
        count: how many ranks there are.
        clients_of: by sender, its client, in the numbers of the whole load: client n is of rank n modulo `count`.
    """

    def __init__(self, count: int, clients_of: Sequence[int]) -> None:
        pairs: list[tuple[Connection, Connection]] = [Pipe() for _ in range(1, count)]
        self._processes = [LoadProcesses(0, count, [ours for ours, _ in pairs])]
        self._processes += [LoadProcesses(rank, count, [theirs]) for rank, (_, theirs) in enumerate(pairs, 1)]
        self._clients_of = clients_of
        self.rooms = [Room(EACH, clients_of, processes=processes) for processes in self._processes]

    def send(self, sender: int, count: int) -> None:
        """Send the next messages of a sender."""
        load = self.rooms[self._clients_of[sender] % len(self.rooms)].load
        load.engine.send(sender, count)
        load.step(0)

    def deliver(self, rank: int, *messages: tuple[int, int]) -> None:
        """Deliver messages to all clients of a rank."""
        for client in range(EACH):
            self.rooms[rank].deliver(client, *messages)

    def judge(self) -> None:
        """Let all ranks judge at the same time; raise the Violation that rank 0 reports."""
        self.each(Room.judge)

    def each(self, do: Callable[[Room], T]) -> T:
        """Let all ranks do something at the same time; return the result of rank 0, or raise what it reports."""

        def in_one_rank(room: Room, processes: LoadProcesses) -> T:
            try:
                result = do(room)
                processes.gather(None)
            except Violation as violation:
                if not processes.rank:
                    raise
                processes.report_ending(violation)
                raise
            finally:
                if not processes.rank:
                    processes.close()
            return result

        with ThreadPoolExecutor(len(self.rooms)) as threads:
            futures = [threads.submit(in_one_rank, *pair) for pair in zip(self.rooms, self._processes, strict=True)]
        for future in futures[1:]:
            with suppress(FirstProcessLost, Violation):  # rank 0 reports it
                future.result()
        return futures[0].result()

    def close(self) -> None:
        for processes, room in zip(self._processes, self.rooms, strict=True):
            processes.close()
            room.close()


@pytest.fixture(params=COUNTS)
def all_ranks(request: pytest.FixtureRequest) -> Iterator[Rooms]:
    """Rooms in which both senders, clients 0 and 1 of ranks 0 and 1, have sent three messages."""
    rooms = Rooms(request.param, [0, 1])
    for sender in (0, 1):
        rooms.send(sender, 3)
    yield rooms
    rooms.close()


A, B = [(0, number) for number in range(3)], [(1, number) for number in range(3)]


def test_the_same_order_in_all_ranks_is_accepted(all_ranks: Rooms) -> None:
    for rank, _ in enumerate(all_ranks.rooms):
        all_ranks.deliver(rank, *A, *B)
    all_ranks.judge()
    counts = [room.load.engine.received_count(client) for room in all_ranks.rooms for client in range(EACH)]
    assert counts == [6] * len(all_ranks.rooms) * EACH


def test_ranks_that_receive_different_orders_are_found(all_ranks: Rooms) -> None:
    for rank, _ in enumerate(all_ranks.rooms):
        all_ranks.deliver(rank, *((A[0], B[0]) if rank else (B[0], A[0])))
    with pytest.raises(Violation, match="disagreement"):
        all_ranks.judge()


def test_a_rank_that_has_received_nothing_hides_no_disagreement_of_others() -> None:
    rooms = Rooms(3, [0, 1])
    for sender in (0, 1):
        rooms.send(sender, 3)
    rooms.deliver(1, A[0], B[0])
    rooms.deliver(2, B[0], A[0])
    with pytest.raises(Violation, match="disagreement"):
        rooms.judge()
    rooms.close()


def test_a_rank_may_miss_messages(all_ranks: Rooms) -> None:
    for rank, _ in enumerate(all_ranks.rooms):
        all_ranks.deliver(rank, *((A[0], B[0], A[2]) if rank else (A[0], A[1], B[1], A[2])))
    all_ranks.judge()


def test_streams_may_differ_where_no_client_has_received_both(all_ranks: Rooms) -> None:
    """The stream of rank 0's group has A before B, and no client has received them in that order."""
    all_ranks.rooms[0].deliver(0, A[0])
    all_ranks.rooms[0].deliver(1, B[0])
    for rank, _ in enumerate(all_ranks.rooms[1:], 1):
        all_ranks.deliver(rank, B[0], A[0])
    all_ranks.judge()


def test_diverged_clients_are_compared_as_well(all_ranks: Rooms) -> None:
    """No two clients have received the same two messages, and yet their three streams make a cycle."""
    all_ranks.rooms[0].deliver(0, A[0], A[1])
    all_ranks.rooms[0].deliver(1, A[1], B[0])
    for rank, _ in enumerate(all_ranks.rooms[1:], 1):
        all_ranks.deliver(rank, B[0], A[0])
    with pytest.raises(Violation, match="no single order fits"):
        all_ranks.judge()


def test_a_message_that_another_rank_never_sent_is_found(all_ranks: Rooms) -> None:
    all_ranks.deliver(1, *A, (0, 3))
    with pytest.raises(Violation, match="no client has sent"):
        all_ranks.judge()


def test_a_diverged_client_receives_a_message_that_another_rank_never_sent(all_ranks: Rooms) -> None:
    """The message is where the group's stream has no place for it."""
    all_ranks.rooms[1].deliver(0, A[0], A[1])
    all_ranks.rooms[1].deliver(1, A[0], (0, 3), A[1])
    with pytest.raises(Violation, match="no client has sent"):
        all_ranks.judge()


def test_the_order_of_a_sender_in_another_rank_is_judged(all_ranks: Rooms) -> None:
    all_ranks.deliver(1, A[1], A[0])
    with pytest.raises(Violation, match="sender order"):
        all_ranks.judge()


def test_an_answer_before_its_question_is_found_across_ranks(all_ranks: Rooms) -> None:
    """Sender 1, of rank 1, has received all of sender 0 when it sends its fourth, which rank 1 never receives."""
    all_ranks.deliver(1, *A)
    all_ranks.send(1, 1)
    for rank in {0, *range(2, len(all_ranks.rooms))}:
        all_ranks.deliver(rank, (1, 3), *A)
    with pytest.raises(Violation, match="answer first"):
        all_ranks.judge()


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("kind", ["lawful", "any"])
def test_random_streams_are_judged_as_the_exact_judge_does(kind: Literal["lawful", "any"], count: int) -> None:
    """Whatever each rank receives, in random pieces, the verdict is that over all streams."""
    chance = random.Random(11)
    verdicts = []
    for _ in range(100):
        clients_of, sent, streams = random_streams(chance, EACH * count, kind)
        rooms = Rooms(count, clients_of)
        for sender in range(len(clients_of)):
            rooms.send(sender, sent)
        rest = [rooms.rooms[0].frames(*stream) for stream in streams]
        is_accepted = True
        try:
            while any(rest):
                client = chance.choice([client for client, data in enumerate(rest) if data])
                cut = chance.choice((1, 20, 33, 60, 99, 500))
                rooms.rooms[client % count].write(client // count, rest[client][:cut])
                rest[client] = rest[client][cut:]
            rooms.judge()
        except Violation:
            is_accepted = False
        finally:
            rooms.close()
        verdicts.append(not judge(history(streams, clients_of, sent)))
        assert is_accepted == verdicts[-1], (clients_of, streams)
    assert all(verdicts) if kind == "lawful" else 20 < sum(verdicts) < 80


def test_counts_are_added_and_the_share_is_that_of_the_busiest_process(all_ranks: Rooms) -> None:
    """Rank 0 receives all, the others half; they use 1, 2 and 3 tenths of their cores."""
    for rank, _ in enumerate(all_ranks.rooms):
        all_ranks.deliver(rank, *A, *([] if rank else B))

    def shares(room: Room) -> dict[str, float]:
        room.judge()
        cpu_s = (room.load.processes.rank + 1) / 10
        return room.load.shares(LoadSnapshot(0.0, 0, 0.0, 0.0), LoadSnapshot(1.0, 0, 0.0, cpu_s))

    count = len(all_ranks.rooms)
    figures = all_ranks.each(shares)
    assert figures["clients"] == EACH * count
    assert figures["generator_processes"] == count
    assert figures["generator_cpu_share"] == count / 10
    assert figures["dropped_share"] == pytest.approx((count - 1) / (2 * count))
