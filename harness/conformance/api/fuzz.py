"""Random conversations: a state machine that lets clients do anything that clients may do, and judges what comes of it.

Hypothesis chooses the deeds, and when a conversation has ended badly makes it shorter. Each conversation has a
fresh server. The machine knows messages only as bodies of a codec, so it serves every spec whose clients all
may say anything at any time.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread
import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from harness.conformance.api.client import Client
from harness.conformance.api.room import Room
from harness.conformance.api.start import Start
from harness.errors import Violation

T = TypeVar("T")
Deed = Callable[[], Awaitable[Any]]
EXAMPLES = 20  # conversations before a new seed is taken
STEPS = 40
SHRINK_S = 15.0
MOST_CLIENTS = 30


async def converse(start: Start, seconds: float, rng: random.Random) -> int:
    """Hold random conversations with fresh servers; return how many.

    Args:
        seconds: no new conversation begins after that.
        chance: gives the seeds.

    Raises:
        Violation: the shortest conversation found that no lawful server can have had; its room is the last of `start`.
    """
    search = _Search(start, time.monotonic() + seconds)
    while not search.is_over():
        machine = hypothesis.seed(rng.randrange(2**64))(type("Machine", (Conversation,), {"search": search}))
        await _serve(machine, search)
    if search.worst:
        error, room = search.worst
        start.rooms.append(room)
        raise error
    return search.conversations


async def _serve(machine: type[RuleBasedStateMachine], search: _Search) -> None:
    """Run the machine in a thread, and its deeds here: what a server or a client opens belongs to the case's task."""
    sender, deeds = anyio.create_memory_object_stream[tuple[Deed, Future[Any]]](1)
    search.ask = sender.send_nowait

    async def think() -> None:
        with sender:
            await anyio.to_thread.run_sync(_run, machine)

    # In no task group of its own: a server's context, once entered, is left with the case.
    search.start.tasks.start_soon(think)
    async for deed, answer in deeds:
        try:
            answer.set_result(await deed())
        except Exception as error:
            answer.set_exception(error)


def _run(machine: type[RuleBasedStateMachine]) -> None:
    chosen = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        report_multiple_bugs=False,
        verbosity=hypothesis.Verbosity.quiet,
    )
    # The search knows what was raised; servers race, so that a conversation need not end badly twice.
    with contextlib.suppress(Violation, HypothesisException, ExceptionGroup):
        run_state_machine_as_test(machine, settings=chosen)


class _Search:
    """What all conversations of a case share: the time that is left, and the shortest one that ended badly."""

    def __init__(self, start: Start, deadline: float) -> None:
        self.start, self.deadline = start, deadline
        self.conversations = 0
        self.worst: tuple[Violation, Room] | None = None  # how the shortest one that ended badly did so
        self.ask: Callable[[tuple[Deed, Future[Any]]], None]

    def is_over(self) -> bool:
        return self.worst is not None or self.out_of_time()

    def out_of_time(self) -> bool:
        return time.monotonic() > self.deadline

    def bad(self, error: Violation, room: Room) -> None:
        """Note a conversation that ended badly; from the first one on there is some time for a shorter one."""
        if self.worst is None:
            self.deadline = time.monotonic() + SHRINK_S
        if self.worst is None or len(room.trace.steps) <= len(self.worst[1].trace.steps):
            self.worst = error, room


class Conversation(RuleBasedStateMachine):
    """One conversation: a fresh server, and clients who do what they like."""

    search: _Search

    def __init__(self) -> None:
        super().__init__()
        self.room: Room | None = None
        self.halves: dict[int, bytes] = {}
        self.was_slow: set[int] = set()
        self.failed = False
        if not self.search.out_of_time():
            self.search.conversations += 1
            self.room = self._do(self._open)

    async def _open(self) -> Room:
        start = self.search.start
        start.forget_servers()  # those of earlier conversations have ended
        server = await start.server()
        room = start.room(server)
        start.rooms.remove(room)  # judged here, and not when the case has ended
        return room

    def _do(self, deed: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        answer: Future[T] = Future()
        anyio.from_thread.run_sync(self.search.ask, (partial(deed, *arguments), answer))
        try:
            return answer.result()
        except Violation as error:
            self.failed = True
            if self.room:
                self.search.bad(error, self.room)
            raise

    # --- who

    def _here(self) -> list[Client]:
        if self.room is None or self.failed:
            return []
        return [one for one in self.room.clients if not one.left and not one.closed]

    def _one(self, place: int) -> Client:
        here = self._here()
        return here[place % len(here)]

    def _speakers(self) -> list[Client]:
        return [one for one in self._here() if one.number not in self.was_slow and one.number not in self.halves]

    # --- what they do

    @precondition(lambda self: self.room and len(self._here()) < MOST_CLIENTS)
    @rule(count=st.integers(1, 5), proven=st.booleans(), small=st.booleans())
    def join(self, count: int, proven: bool, small: bool) -> None:
        assert self.room
        for _ in range(count):
            newcomer = self._do(partial(self.room.connect, small=small))
            if small:  # whether it keeps up depends on our own speed
                self.was_slow.add(newcomer.number)
            elif proven:
                self._do(self.room.barrier, newcomer, [newcomer])

    @precondition(lambda self: self._here())
    @rule(place=st.integers(0, 99), texts=st.lists(st.binary(max_size=255), min_size=1, max_size=6))
    def say(self, place: int, texts: list[bytes]) -> None:
        assert self.room
        if self.room.spec.codec.is_text:
            texts = [text.decode("latin-1").encode()[:254].decode(errors="ignore").encode() for text in texts]
        self._send(self._one(place), texts)

    @precondition(lambda self: self._here())
    @rule(place=st.integers(0, 99), count=st.integers(1, 400), size=st.integers(0, 255), by_one=st.booleans())
    def burst(self, place: int, count: int, size: int, by_one: bool) -> None:
        one = self._one(place)
        bodies = [one.next_body(size) for _ in range(count)]
        for body in bodies[:20] if by_one else []:
            self._send(one, [body])
        self._send(one, bodies[20:] if by_one else bodies)

    @precondition(lambda self: self._here())
    @rule(place=st.integers(0, 99), size=st.integers(1, 255), cut=st.integers(1, 255))
    def say_half(self, place: int, size: int, cut: int) -> None:
        one = self._one(place)
        self._finish_half(one)
        assert self.room
        data = self.room.spec.codec.encode(one.next_body(size))
        cut = min(cut, len(data) - 1)
        self.halves[one.number] = data[cut:]
        self._write(one, data[:cut])

    @precondition(lambda self: self.halves)
    @rule(place=st.integers(0, 99))
    def say_the_other_half(self, place: int) -> None:
        unfinished = [one for one in self._here() if one.number in self.halves]
        if unfinished:
            self._finish_half(unfinished[place % len(unfinished)])

    @precondition(lambda self: self._here())
    @rule(place=st.integers(0, 99))
    def stall(self, place: int) -> None:
        one = self._one(place)
        self.was_slow.add(one.number)
        one.stall()

    @precondition(lambda self: self.was_slow)
    @rule(place=st.integers(0, 99))
    def read_on(self, place: int) -> None:
        slow = [one for one in self._here() if one.number in self.was_slow and not one.is_reading]
        if slow:
            self._do(self._read_on, slow[place % len(slow)])

    async def _read_on(self, one: Client) -> None:
        one.start_reading()

    @precondition(lambda self: self._speakers())
    @rule(place=st.integers(0, 99))
    def pour(self, place: int) -> None:
        assert self.room
        some = self._speakers()
        self._do(self._pour, some[place % len(some)])

    async def _pour(self, one: Client) -> None:
        assert self.room
        await self.room.pour(one, 600_000, size=250, seconds=2)

    @precondition(lambda self: self._here())
    @rule(place=st.integers(0, 99), how=st.sampled_from(["hang_up", "reset", "leave", "close_sending"]))
    def leave(self, place: int, how: str) -> None:
        one = self._one(place)
        self.halves.pop(one.number, None)
        self._do(getattr(one, how))

    @precondition(lambda self: self._speakers())
    @rule(place=st.integers(0, 99))
    def all_hear(self, place: int) -> None:
        assert self.room
        some = self._speakers()
        self._do(self.room.barrier, some[place % len(some)], [one for one in some if one.is_reading])

    # --- how

    def _send(self, one: Client, bodies: list[bytes]) -> None:
        assert self.room
        self._finish_half(one)
        self._write(one, b"".join(map(self.room.spec.codec.encode, bodies)))

    def _finish_half(self, one: Client) -> None:
        if rest := self.halves.pop(one.number, b""):
            self._write(one, rest)

    def _write(self, one: Client, data: bytes) -> None:
        self._do(self._written, one, data)

    async def _written(self, one: Client, data: bytes) -> None:
        assert self.room
        with anyio.move_on_after(5) as patience:  # a server need not read whom it cannot answer
            try:
                await one.send_raw(data)
            except Violation:
                self.room.check_not_dying()
                if one.number not in self.was_slow:
                    raise
        if patience.cancelled_caught:  # nobody knows how much of it has left
            await one.reset()

    def teardown(self) -> None:
        if self.room is None:
            return
        try:
            if not self.failed:
                self._do(self._end)
        finally:
            self._do(self._close)

    async def _end(self) -> None:
        """Let the room work once more after all of this, and judge what everybody has seen."""
        assert self.room
        newcomers = await self.room.join(2)
        for one in self._here():
            if one.number in self.was_slow and one.is_reading:
                await self.room.barrier_or_closed(newcomers[0], one)
        await self.room.barrier(newcomers[1], [one for one in self._speakers() if one.is_reading])
        self.room.judge()

    async def _close(self) -> None:
        assert self.room
        for one in self.room.clients:
            await one.hang_up()
        self.room.expect_end()
        await self.room.server.stop(grace_s=0)
