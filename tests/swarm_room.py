"""A load whose server is the test: it writes into the other ends of the clients' connections."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator, Sequence
from typing import Literal

import pytest

from harness.errors import HarnessError
from harness.history.record import History, send_event
from harness.load.engine import choose
from harness.load.engine.frame_templates import make_frames
from harness.load.load import Load
from harness.load.processes import LoadProcesses
from harness.load.verify.frames import Frames, Sender
from spec.broadcast.wire import CODEC

TEXT_BYTES = 32


def each_engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Make the engine that is the parameter of a fixture the one that loads use; yield its name."""
    monkeypatch.setenv(choose.ENGINE_VARIABLE, request.param)
    try:
        name = choose.engine_name()
    except HarnessError as error:
        pytest.skip(str(error))
    yield name


class Room:
    """Clients of a load, some of which send, and the other ends of their connections.

    Args:
        clients: how many clients this process has.
        clients_of: by sender, its client.
        topics: by client, its subscriptions; by default the one topic that there is.
        are_together: whether all clients stand at the same point of their streams at the start.
        processes: where the load has several processes; then clients are numbered over all of them, and each has every
            count-th one.
    """

    def __init__(
        self,
        clients: int,
        clients_of: Sequence[int],
        topics: Sequence[tuple[int, ...]] | None = None,
        *,
        are_together: bool = True,
        processes: LoadProcesses | None = None,
    ) -> None:
        pairs = [socket.socketpair() for _ in range(clients)]
        self._ours, self._theirs = [ours for ours, _ in pairs], [theirs for _, theirs in pairs]
        senders = [Sender(client) for client in clients_of]
        processes = processes or LoadProcesses()
        self.load = Load(
            self._ours,
            topics or [(0,)] * clients,
            CODEC,
            server_pid=1,
            senders=senders,
            text_bytes=TEXT_BYTES,
            are_together=are_together,
            numbers=range(processes.rank, clients * processes.count, processes.count),
            processes=processes,
        )
        self.templates = Frames(CODEC, senders, TEXT_BYTES).templates

    def frames(self, *messages: tuple[int, int]) -> bytes:
        """Return messages (sender, number) as a server delivers them."""
        return b"".join(make_frames(self.templates[sender], number, 1) for sender, number in messages)

    def write(self, client: int, data: bytes) -> None:
        """Send bytes to a client, and let the load receive them."""
        if data:
            self._theirs[client].sendall(data)
            self.load.step(time.monotonic_ns())

    def deliver(self, client: int, *messages: tuple[int, int]) -> None:
        """Deliver messages to a client."""
        self.write(client, self.frames(*messages))

    def judge(self) -> None:
        """Let the load look at what it has not looked at yet; raise Violation."""
        self.load.step(0)
        self.load.settle()

    def close_their_end(self, client: int) -> None:
        """Close a client's connection, as a server does."""
        self._theirs[client].close()

    def close(self) -> None:
        """Close all connections."""
        for connection in (*self._ours, *self._theirs):
            connection.close()


def history(streams: list[list[tuple[int, int]]], clients_of: list[int], sent: int) -> History:
    """Return the history that the judge gets, if everything was sent before anything was received.

    Args:
        streams: by client, the messages (sender, number) that it has received.
        clients_of: by sender, its client.
        sent: how many messages each sender has sent.
    """
    numbers = {(sender, number): sender * sent + number for sender in range(len(clients_of)) for number in range(sent)}
    events = [
        [
            send_event(numbers[sender, number])
            for sender, its_client in enumerate(clients_of)
            if its_client == client
            for number in range(sent)
        ]
        + [numbers[message] for message in stream]
        for client, stream in enumerate(streams)
    ]
    senders = [client for client in clients_of for _ in range(sent)]
    names = [f"{sender}.{number}" for sender, number in numbers]
    return History(events, range(len(streams)), senders, [1] * len(numbers), names)


def random_streams(
    chance: random.Random, clients: int, kind: Literal["lawful", "any"]
) -> tuple[list[int], int, list[list[tuple[int, int]]]]:
    """Return lossy streams; half of kind `any` have two messages exchanged.

    Args:
        chance: the source of randomness.
        clients: how many clients there are.
        kind: of the streams.

    Returns:
        By sender its client, how many messages each sends, and by client the messages that it receives.
    """
    sent = chance.randint(1, 8)
    clients_of = chance.sample(range(clients), chance.randint(1, min(3, clients)))
    if kind == "any" and chance.random() < 0.2:
        clients_of.append(clients_of[0])  # two senders of one client, of which one sends all before the other begins
    order = [sender for sender in range(len(clients_of)) for _ in range(sent)]
    chance.shuffle(order)
    complete = [(sender, order[:place].count(sender)) for place, sender in enumerate(order)]
    loss = chance.choice((0, 0.1, 0.5))
    streams = [[message for message in complete if chance.random() >= loss] for _ in range(clients)]
    victim = chance.choice(streams)
    if kind == "any" and len(victim) > 1 and chance.random() < 0.8:
        a, b = sorted(chance.sample(range(len(victim)), 2))
        victim[a], victim[b] = victim[b], victim[a]
    return clients_of, sent, streams
