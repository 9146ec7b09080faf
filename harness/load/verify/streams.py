"""Verifies the streams of a load: follows diverged clients, and looks into what the engine finds suspect.

As long as a client is in step, its stream is the beginning of its group's, which the engine has parsed, and nothing is
to be done. A client has diverged when a message was dropped for it, or when the server is at fault. Its messages are
followed one by one: each has its place in the group's stream, and these places must rise. As long as they do, that
stream is an order that fits this client too, and the client is put in step again. A message that is new to the group's
stream is appended to it.

This does not always decide whether one message may come before another: two clients may each have received what the
other has not, or a client's places may fall. Then there is *doubt*, and the judge of histories decides, about
everything that the clients have sent and received recently (see `recent.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import Violation
from harness.load.engine.frame_templates import CODE_STRIDE, Int64Array
from harness.load.engine.interface import Engine, Reason
from harness.load.processes import LoadProcesses
from harness.load.verify.across_processes import CompleteHistory
from harness.load.verify.frames import DecodedFrames, Frames, Sender
from harness.load.verify.positions import Positions
from harness.load.verify.recent import RecentHistory


@dataclass
class DivergedClient:
    """A client that has diverged.

    Attributes:
        group: the group with whose stream it is compared.
        is_added: whether it was added during the load, and so is never in step.
        position: the place in that stream of its last message that is known to be there; -1 before any.
        received: how many messages it has received in all.
        rest: the bytes at the end that are no whole frame.
    """

    group: int
    is_added: bool
    position: int
    received: int
    rest: bytes = b""


class StreamVerifier:
    """Follows diverged clients, and raises Violation for what no conforming server can have done.

    Args:
        engine: of the load.
        frames: the messages of the load.
        senders: all senders, by the clients' numbers over all processes of the load.
        groups: for each group the topics of its clients.
        groups_of: by client, its group.
        are_in_step: whether the clients of a group stand at the same point of its stream at first.
        numbers: by client, its number over all processes of the load.
        processes: all processes of the load.
    """

    def __init__(
        self,
        engine: Engine,
        frames: Frames,
        senders: Sequence[Sender],
        groups: Sequence[tuple[int, ...]],
        groups_of: Sequence[int],
        *,
        are_in_step: bool,
        numbers: Sequence[int],
        processes: LoadProcesses,
    ) -> None:
        self._engine, self._frames, self._senders = engine, frames, senders
        self._groups_of, self._numbers, self._processes = list(groups_of), numbers, processes
        self._must_stay = set(range(len(groups_of)))  # clients that the server must not disconnect
        # By group: by sender, whether the group's clients may receive from it.
        self._subscribed = [np.array([sender.topic in topics for sender in senders]) for topics in groups]
        self._positions: dict[int, Positions] = {}
        self._diverged: dict[int, DivergedClient] = {}
        self._recent = RecentHistory(engine, senders, len(groups), self._groups_of, numbers)
        self._complete = None
        if processes.count > 1:
            self._complete = CompleteHistory(engine, senders, groups, self._groups_of, numbers)
        self._histories = [history.clients for history in (self._recent, self._complete) if history]
        # What other processes send is known when the load has ended; until then it may be anything.
        elsewhere = {sender.client for sender in senders} - set(numbers)
        self._sent_elsewhere = np.array([CODE_STRIDE * (sender.client in elsewhere) for sender in senders], np.int64)
        self._highest = np.full(len(senders), -1, np.int64)  # by sender, where there are several processes
        all_topics = [topic for topics in groups for topic in topics]
        clients = [sender.client for sender in senders]
        # No group's stream shows that several groups receive one topic in the same order, nor that the messages of a
        # client with several senders are received in the order in which it has sent them.
        self._is_always_in_doubt = len(set(all_topics)) < len(all_topics) or len(set(clients)) < len(clients)
        self._is_in_doubt = self._is_always_in_doubt
        self._was_in_doubt = self._is_in_doubt
        self._has_diverged = not are_in_step
        for client, group in enumerate([] if are_in_step else groups_of):
            self._diverged[client] = DivergedClient(group, False, -1, 0)
            for history in self._histories:
                history.add_diverged(client)

    def add_client(self, client: int, group: int, *, may_be_closed: bool) -> None:
        """Follow a client that is added during the load.

        Args:
            client: its number.
            group: the group that has its subscriptions.
            may_be_closed: whether the server may disconnect it.
        """
        self._groups_of.append(group)
        if not may_be_closed:
            self._must_stay.add(client)
        self._diverged[client] = DivergedClient(group, True, -1, 0)
        for history in self._histories:
            history.add_diverged(client)
        self._has_diverged = True

    def drop_client(self, client: int) -> None:
        """Follow a client no more that was added during the load."""
        del self._diverged[client]
        self._must_stay.discard(client)

    def handle(self, reason: int) -> list[tuple[int, int]]:
        """Look into the reasons for which the engine's `run` has returned.

        Returns:
            (client, time in ns) for each diverged client that has received something.

        Raises:
            Violation: a client was disconnected, or received what it must not.
        """
        closed = self._engine.closed() if reason & Reason.CLOSED else []
        if closed := [client for client in closed if client in self._must_stay]:
            raise Violation(f"the server closed the connection of client {self._number(closed[0])}, which was reading")
        if reason & Reason.NONCANONICAL:
            for group in range(len(self._subscribed)):
                self._decode(group)
        receivers = []
        if reason & Reason.DIVERGED:
            for client, received, place, data, at_ns in self._engine.take_diverged():
                self._follow(client, received, place, data, at_ns)
                receivers.append((client, at_ns))
        sends = np.frombuffer(self._engine.take_sends(), np.int64)
        for history in self._histories:
            history.record_sends(sends)
        if reason & Reason.SUSPECT:
            self._check_suspects()
        if self._recent.is_full(has_diverged=self._has_diverged):
            self.resolve_doubt()
            if self._complete:
                self._complete.keep()
            self._recent.roll()
            self._has_diverged = bool(self._diverged) or self._is_always_in_doubt
        return receivers

    def resolve_doubt(self) -> None:
        """Let the judge decide if there is doubt.

        Raises:
            Violation: no conforming server can have produced what the clients received recently.
        """
        if self._is_in_doubt:
            self._recent.judge()
        self._was_in_doubt |= self._is_in_doubt
        self._is_in_doubt = self._is_always_in_doubt

    def compare_processes(self, sent: Sequence[int]) -> None:
        """Compare with the other processes of the load, when all have ended and resolved their doubts.

        Args:
            sent: by sender, how many messages it has sent.

        Raises:
            Violation: no conforming server can have produced what the clients of all processes received.
        """
        if self._complete:
            self._sent_elsewhere = np.array(sent, np.int64)
            self._complete.keep()
            for group, subscribed in enumerate(self._subscribed):
                self._check(self._complete.stream(group), subscribed)
            if (self._highest >= self._sent_elsewhere).any():
                raise Violation("a client received a message that no client has sent")
            self._complete.compare(self._processes, is_in_doubt=self._was_in_doubt)

    def _decode(self, group: int) -> None:
        offset, data = self._engine.noncanonical(group)
        if data:
            decoded = self._frames.decode(data, "a client")
            ends, parsed = decoded.ends + offset, offset + len(data) - len(decoded.rest)
            self._engine.append_decoded(group, decoded.codes.tobytes(), ends.tobytes(), parsed)

    def _check_suspects(self) -> None:
        for group, subscribed in enumerate(self._subscribed):
            first, count = self._engine.stream_range(group)
            self._check(np.frombuffer(self._engine.stream_codes(group, first, count), np.int64), subscribed)
        self._was_in_doubt = True
        self._recent.judge()

    def _check(self, codes: Int64Array, subscribed: NDArray[np.bool_]) -> None:
        """Raise Violation for a message that was never sent, or is of a topic without subscription.

        Args:
            codes: of the messages, of shape (n,).
            subscribed: by sender, whether the receiving client is subscribed to it, of shape (senders,).
        """
        senders, numbers = codes // CODE_STRIDE, codes % CODE_STRIDE
        sent = np.array([self._engine.sender_counts(sender)[0] for sender in range(len(self._senders))], np.int64)
        if self._complete:
            sent = np.maximum(sent, self._sent_elsewhere)
            np.maximum.at(self._highest, senders, numbers)
        if (numbers >= sent[senders]).any():
            raise Violation("a client received a message that no client has sent")
        if not subscribed[senders].all():
            raise Violation("a client received a message of a topic to which it has not subscribed")

    def _number(self, client: int) -> int:
        return self._numbers[client] if client < len(self._numbers) else client

    # --- diverged clients

    def _follow(self, client: int, received: int, place: int, data: bytes, at_ns: int) -> None:
        """Follow a diverged client; for the arguments see `Engine.take_diverged`."""
        diverged = self._diverged.get(client)
        if diverged is None:
            diverged = DivergedClient(self._groups_of[client], False, place - 1, received)
            self._diverged[client] = diverged
            for history in self._histories:
                history.record_divergence(client, place)
            self._has_diverged = True
        data = diverged.rest + data
        frames = self._parse(data, f"client {self._number(client)}")
        diverged.rest = frames.rest
        if frames.codes.size:
            self._check(frames.codes, self._subscribed[diverged.group])
            diverged.received += frames.codes.size
            for history in self._histories:
                history.record_received(client, frames.codes)
            self._engine.record_received(client, diverged.received, frames.codes.tobytes(), at_ns)
            is_in_place = self._find_places(diverged, frames, data)
            if (
                is_in_place
                and not diverged.is_added
                and self._engine.resynchronise(client, diverged.position, diverged.rest)
            ):
                for history in self._histories:
                    history.record_resynchronised(client, diverged.position)
                del self._diverged[client]

    def _parse(self, data: bytes, receiver: str) -> DecodedFrames:
        codes, ends, consumed, is_noncanonical = self._engine.parse_canonical(data)
        if is_noncanonical:
            return self._frames.decode(data, receiver)
        return DecodedFrames(np.frombuffer(codes, np.int64), np.frombuffer(ends, np.int64), data[consumed:])

    def _find_places(self, diverged: DivergedClient, frames: DecodedFrames, data: bytes) -> bool:
        """Find the places of messages in the group's stream, and append those that are new to it.

        Args:
            diverged: the client that has received them.
            frames: the messages.
            data: the bytes of the frames.

        Returns:
            Whether all of them have a place now.
        """
        if diverged.group not in self._positions:
            self._positions[diverged.group] = Positions(self._engine, diverged.group, len(self._senders))
        positions = self._positions[diverged.group]
        positions.catch_up()
        places = positions.find(frames.codes)
        known = np.flatnonzero(places >= 0)
        until = int(known[-1]) + 1 if known.size else 0
        if known.size:
            places = places[known]
            is_rising = places[0] > diverged.position and bool((np.diff(places) > 0).all())
            self._is_in_doubt |= not is_rising or known.size < until
            diverged.position = int(places[-1])
        new = frames.codes[until:]
        if not new.size:
            return True
        begin, end = int(frames.ends[until - 1]) if until else 0, int(frames.ends[-1])
        if positions.are_newer(new):
            before = positions.catch_up()
            self._engine.append_frames(diverged.group, data[begin:end])
            if positions.catch_up() == before + new.size:
                diverged.position = before + new.size - 1
                return True
        self._is_in_doubt = True
        return False
