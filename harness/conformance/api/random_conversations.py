"""Random conversations: a state machine lets clients do anything that clients may do, and judges the history.

Hypothesis chooses the actions, and shortens a conversation that fails. Each conversation has a fresh server. The state
machine knows messages only as bodies of a codec, so it serves every spec whose clients may all send at any time.
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
from harness.conformance.api.fuzz_search import Action, FuzzSearch
from harness.conformance.api.room import Room
from harness.conformance.api.start import Start
from harness.errors import Violation

T = TypeVar("T")
EXAMPLES = 20  # conversations before a new seed is taken
STEPS = 40
MOST_CLIENTS = 30


async def search(start: Start, seconds: float, rng: random.Random) -> int:
    """Hold random conversations; see `harness.conformance.api.fuzz.converse`.

    Args:
        start: starts a fresh server for each conversation.
        seconds: no new conversation begins after that.
        rng: gives the seeds.
    """
    conversations = FuzzSearch(start, time.monotonic() + seconds)
    while not conversations.is_over():
        machine = type("Machine", (Conversation,), {"search": conversations})
        await _serve(hypothesis.seed(rng.randrange(2**64))(machine), conversations)
    if conversations.shortest_failure:
        error, room = conversations.shortest_failure
        start.rooms.append(room)
        raise error
    return conversations.count


async def _serve(machine: type[RuleBasedStateMachine], search: FuzzSearch) -> None:
    """Run the machine in a thread, and its actions here: what a server or a client opens belongs to the case's task."""
    sender, actions = anyio.create_memory_object_stream[tuple[Action, Future[Any]]](1)
    search.request = sender.send_nowait

    async def run_machine() -> None:
        with sender:
            await anyio.to_thread.run_sync(_run, machine)

    # In no task group of its own: a server's context, once entered, is left with the case.
    search.start.tasks.start_soon(run_machine)
    async for action, answer in actions:
        try:
            answer.set_result(await action())
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
    # The search has recorded what was raised; servers race, so that a conversation need not fail twice.
    with contextlib.suppress(Violation, HypothesisException, ExceptionGroup):
        run_state_machine_as_test(machine, settings=chosen)


class Conversation(RuleBasedStateMachine):
    """One conversation: a fresh server, and clients that act at random."""

    search: FuzzSearch

    def __init__(self) -> None:
        super().__init__()
        self.room: Room | None = None
        self.halves: dict[int, bytes] = {}
        self.was_slow: set[int] = set()
        self.failed = False
        if not self.search.out_of_time():
            self.search.count += 1
            self.room = self._do(self._open)

    async def _open(self) -> Room:
        start = self.search.start
        start.forget_servers()  # those of earlier conversations have ended
        server = await start.server()
        room = start.room(server)
        start.rooms.remove(room)  # judged here, and not when the case has ended
        return room

    def _do(self, action: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        answer: Future[T] = Future()
        anyio.from_thread.run_sync(self.search.request, (partial(action, *arguments), answer))
        try:
            return answer.result()
        except Violation as error:
            self.failed = True
            if self.room:
                self.search.record_failure(error, self.room)
            raise

    # --- the clients

    def _connected(self) -> list[Client]:
        if self.room is None or self.failed:
            return []
        return [client for client in self.room.clients if not client.left and not client.closed]

    def _client(self, place: int) -> Client:
        clients = self._connected()
        return clients[place % len(clients)]

    def _ready_to_send(self) -> list[Client]:
        return [
            client
            for client in self._connected()
            if client.number not in self.was_slow and client.number not in self.halves
        ]

    # --- their actions

    @precondition(lambda self: self.room and len(self._connected()) < MOST_CLIENTS)
    @rule(count=st.integers(1, 5), proven=st.booleans(), small=st.booleans())
    def join(self, count: int, proven: bool, small: bool) -> None:
        """Connect clients.

        Args:
            count: how many.
            proven: whether to wait until each has received a message.
            small: whether little is buffered on the way to them.
        """
        assert self.room
        for _ in range(count):
            client = self._do(partial(self.room.connect, small=small))
            if small:  # whether it keeps up depends on our own speed
                self.was_slow.add(client.number)
            elif proven:
                self._do(self.room.barrier, client, [client])

    @precondition(lambda self: self._connected())
    @rule(place=st.integers(0, 99), texts=st.lists(st.binary(max_size=255), min_size=1, max_size=6))
    def send(self, place: int, texts: list[bytes]) -> None:
        """Send messages with these texts in one write."""
        assert self.room
        if self.room.spec.codec.is_text:
            texts = [text.decode("latin-1").encode()[:254].decode(errors="ignore").encode() for text in texts]
        self._send(self._client(place), texts)

    @precondition(lambda self: self._connected())
    @rule(place=st.integers(0, 99), count=st.integers(1, 400), size=st.integers(0, 255), one_by_one=st.booleans())
    def burst(self, place: int, count: int, size: int, one_by_one: bool) -> None:
        """Send many messages.

        Args:
            place: chooses the client.
            count: how many.
            size: bytes of a body, at least.
            one_by_one: whether the first twenty go out in a write each.
        """
        client = self._client(place)
        bodies = [client.next_body(size) for _ in range(count)]
        for body in bodies[:20] if one_by_one else []:
            self._send(client, [body])
        self._send(client, bodies[20:] if one_by_one else bodies)

    @precondition(lambda self: self._connected())
    @rule(place=st.integers(0, 99), size=st.integers(1, 255), cut=st.integers(1, 255))
    def send_half(self, place: int, size: int, cut: int) -> None:
        """Send the beginning of a message.

        Args:
            place: chooses the client.
            size: bytes of the body, at least.
            cut: how many bytes of the message are sent.
        """
        client = self._client(place)
        self._finish_half(client)
        assert self.room
        data = self.room.spec.codec.encode(client.next_body(size))
        cut = min(cut, len(data) - 1)
        self.halves[client.number] = data[cut:]
        self._write(client, data[:cut])

    @precondition(lambda self: self.halves)
    @rule(place=st.integers(0, 99))
    def send_other_half(self, place: int) -> None:
        """Send the rest of an unfinished message."""
        unfinished = [client for client in self._connected() if client.number in self.halves]
        if unfinished:
            self._finish_half(unfinished[place % len(unfinished)])

    @precondition(lambda self: self._connected())
    @rule(place=st.integers(0, 99))
    def stall(self, place: int) -> None:
        """Stop reading."""
        client = self._client(place)
        self.was_slow.add(client.number)
        self._do(self._stall, client)

    async def _stall(self, client: Client) -> None:
        client.stall()

    @precondition(lambda self: self.was_slow)
    @rule(place=st.integers(0, 99))
    def resume(self, place: int) -> None:
        """Read again."""
        slow = [client for client in self._connected() if client.number in self.was_slow and not client.is_reading]
        if slow:
            self._do(self._resume, slow[place % len(slow)])

    async def _resume(self, client: Client) -> None:
        client.start_reading()

    @precondition(lambda self: self._ready_to_send())
    @rule(place=st.integers(0, 99))
    def pour(self, place: int) -> None:
        """Send 600 KB, no faster than the server delivers them."""
        assert self.room
        senders = self._ready_to_send()
        self._do(self._pour, senders[place % len(senders)])

    async def _pour(self, client: Client) -> None:
        assert self.room
        await self.room.pour(client, 600_000, size=250, seconds=2)

    @precondition(lambda self: self._connected())
    @rule(place=st.integers(0, 99), how=st.sampled_from(["hang_up", "reset", "leave", "close_sending"]))
    def leave(self, place: int, how: str) -> None:
        """Leave in one of four ways."""
        client = self._client(place)
        self.halves.pop(client.number, None)
        self._do(getattr(client, how))

    @precondition(lambda self: self._ready_to_send())
    @rule(place=st.integers(0, 99))
    def barrier(self, place: int) -> None:
        """Check that all clients that keep up receive what one of them sends."""
        assert self.room
        senders = self._ready_to_send()
        self._do(self.room.barrier, senders[place % len(senders)], [client for client in senders if client.is_reading])

    # --- how they send

    def _send(self, client: Client, bodies: list[bytes]) -> None:
        assert self.room
        self._finish_half(client)
        self._write(client, b"".join(map(self.room.spec.codec.encode, bodies)))

    def _finish_half(self, client: Client) -> None:
        if rest := self.halves.pop(client.number, b""):
            self._write(client, rest)

    def _write(self, client: Client, data: bytes) -> None:
        self._do(self._write_now, client, data)

    async def _write_now(self, client: Client, data: bytes) -> None:
        assert self.room
        with anyio.move_on_after(5) as patience:  # a server need not read from a client that does not read its answers
            try:
                await client.send_raw(data)
            except Violation:
                self.room.check_not_dying()
                if client.number not in self.was_slow:
                    raise
        if patience.cancelled_caught:  # it is unknown how much of it was sent
            await client.reset()

    def teardown(self) -> None:
        """Judge the conversation, and end its server."""
        if self.room is None:
            return
        try:
            if not self.failed:
                self._do(self._end)
        finally:
            self._do(self._close)

    async def _end(self) -> None:
        """Check that the room still works after all of this, and judge its history."""
        assert self.room
        joining = await self.room.join(2)
        for client in self._connected():
            if client.number in self.was_slow and client.is_reading:
                await self.room.barrier_or_closed(joining[0], client)
        await self.room.barrier(joining[1], [client for client in self._ready_to_send() if client.is_reading])
        self.room.judge()

    async def _close(self) -> None:
        assert self.room
        for client in self.room.clients:
            await client.hang_up()
        self.room.expect_end()
        await self.room.server.stop(grace_s=0)
