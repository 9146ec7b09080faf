"""A load against sockets that a test writes into, in the place of a server."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Sequence
from typing import Literal

from harness.history.record import History, send_event
from harness.load.load import Load
from harness.load.processes import LoadProcesses
from harness.load.engine.frame_templates import make_frames
from harness.load.verify.frames import Frames, Sender
from spec.broadcast.wire import CODEC

TEXT_BYTES = 32


class Room:
    """Clients of a load, some of whom speak, and the other ends of their connections.

    Args:
        speakers: the client of each voice.
        topics: by client what it hears; by default the one topic that there is.
        are_together: whether all stand at the same point of their streams at the start.
        ranks: where the load has several processes; then clients are numbered over all of them, each has every
            count-th one, and `clients` is how many this one has.
    """

    def __init__(
        self,
        clients: int,
        speakers: Sequence[int],
        topics: Sequence[tuple[int, ...]] | None = None,
        *,
        are_together: bool = True,
        ranks: LoadProcesses | None = None,
    ) -> None:
        pairs = [socket.socketpair() for _ in range(clients)]
        self._ours, self._theirs = [one for one, _ in pairs], [two for _, two in pairs]
        voices = [Sender(client) for client in speakers]
        ranks = ranks or LoadProcesses()
        self.load = Load(
            self._ours,
            topics or [(0,)] * clients,
            CODEC,
            server_pid=1,
            senders=voices,
            text_bytes=TEXT_BYTES,
            are_together=are_together,
            numbers=range(ranks.rank, clients * ranks.count, ranks.count),
            processes=ranks,
        )
        self.shapes = Frames(CODEC, voices, TEXT_BYTES).templates

    def frames(self, *messages: tuple[int, int]) -> bytes:
        """Return messages (voice, number) as a server delivers them."""
        return b"".join(make_frames(self.shapes[voice], number, 1) for voice, number in messages)

    def write(self, client: int, data: bytes) -> None:
        """Send bytes to a client, and let the load take them."""
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

    def close(self) -> None:
        """Close all connections."""
        for one in (*self._ours, *self._theirs):
            one.close()


def history(streams: list[list[tuple[int, int]]], speakers: list[int], said: int) -> History:
    """Return what was heard as the judge takes it; all was said before anything was heard."""
    numbers = {(voice, number): voice * said + number for voice in range(len(speakers)) for number in range(said)}
    events = [
        [
            send_event(numbers[voice, number])
            for voice, speaker in enumerate(speakers)
            if speaker == client
            for number in range(said)
        ]
        + [numbers[one] for one in stream]
        for client, stream in enumerate(streams)
    ]
    senders = [speaker for speaker in speakers for _ in range(said)]
    names = [f"{voice}.{number}" for voice, number in numbers]
    return History(events, range(len(streams)), senders, [1] * len(numbers), names)


def random_streams(
    chance: random.Random, clients: int, kind: Literal["lawful", "any"]
) -> tuple[list[int], int, list[list[tuple[int, int]]]]:
    """Return who speaks, how many messages each says, and what each client hears of them: lossy streams.

    Half of `any` have two messages exchanged.
    """
    said = chance.randint(1, 8)
    speakers = chance.sample(range(clients), chance.randint(1, min(3, clients)))
    if kind == "any" and chance.random() < 0.2:
        speakers.append(speakers[0])  # two voices, of which one says all before the other begins
    order = [voice for voice in range(len(speakers)) for _ in range(said)]
    chance.shuffle(order)
    whole = [(voice, order[:place].count(voice)) for place, voice in enumerate(order)]
    loss = chance.choice((0, 0.1, 0.5))
    streams = [[one for one in whole if chance.random() >= loss] for _ in range(clients)]
    victim = chance.choice(streams)
    if kind == "any" and len(victim) > 1 and chance.random() < 0.8:
        a, b = sorted(chance.sample(range(len(victim)), 2))
        victim[a], victim[b] = victim[b], victim[a]
    return speakers, said, streams
