"""What Python must look at in the streams of a load: clients that have parted, and what looks wrong.

As long as a client is in step, its stream is the beginning of its group's, which the core has read: nothing is to be
done. Who has parted, because a message was dropped for it or because the server is at fault, is read message by
message: each has its place in the group's stream, and these places must rise. Then that stream is an order that fits
this client as well, and it rejoins. A message that the group's stream has not seen yet goes to its end.

It cannot always be decided like that whether one message may come before another: where two clients have heard what the
other has not, or somebody's places fall. Then there is *doubt*, and the judge of histories decides, about what all have
heard and said in a window (see `window.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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
    """A client that has parted.

    Attributes:
        group: whose stream it is compared with.
        is_guest: whether it has come during the load, and so is never in step.
        position: of its last message that is known to be in that stream; -1 before any.
        heard: messages, in all.
        rest: the bytes of a frame that is not whole.
    """

    group: int
    is_guest: bool
    position: int
    heard: int
    rest: bytes = b""


class StreamVerifier:
    """Follows those who have parted, and raises Violation for what no lawful server can have done.

    Args:
        groups: for each group the topics that its clients hear.
        groups_of: by client, its group.
        numbers: by client, its number over all processes of the load, of which `voices` tells as well.
    """

    def __init__(
        self,
        core: Engine,
        frames: Frames,
        voices: Sequence[Sender],
        groups: Sequence[tuple[int, ...]],
        groups_of: Sequence[int],
        *,
        are_in_step: bool,
        numbers: Sequence[int],
        ranks: LoadProcesses,
    ) -> None:
        self._core, self._frames, self._voices = core, frames, voices
        self._groups, self._groups_of, self._numbers, self._ranks = groups, list(groups_of), numbers, ranks
        self._bound = set(range(len(groups_of)))  # those whom the server must not disconnect
        self._owed = [np.array([voice.topic in topics for voice in voices]) for topics in groups]
        self._orders: dict[int, Positions] = {}
        self._followers: dict[int, DivergedClient] = {}
        self._window = RecentHistory(core, voices, len(groups), self._groups_of, numbers)
        self._windows = [self._window]
        if ranks.count > 1:
            self._whole = CompleteHistory(core, voices, len(groups), self._groups_of, numbers)
            self._windows.append(self._whole)
        # What other processes say is known when the load has ended; until then it may be anything.
        elsewhere = {voice.client for voice in voices} - set(numbers)
        self._said_elsewhere = np.array([CODE_STRIDE * (voice.client in elsewhere) for voice in voices], np.int64)
        self._highest = np.full(len(voices), -1, np.int64)  # by voice, where there are several processes
        topics = [topic for one in groups for topic in one]
        speakers = [voice.client for voice in voices]
        # What no group's stream tells: that a topic is heard in one order by several groups, and that what a client
        # says with several voices is heard in the order in which it was said.
        self._is_always_in_doubt = len(set(topics)) < len(topics) or len(set(speakers)) < len(speakers)
        self._is_in_doubt = self._is_always_in_doubt
        self._was_in_doubt = self._is_in_doubt
        self._has_parted = not are_in_step
        for client, group in enumerate([] if are_in_step else groups_of):
            self._followers[client] = DivergedClient(group, False, -1, 0)
            for window in self._windows:
                window.came(client)

    def add_transient(self, client: int, group: int, *, may_be_closed: bool) -> None:
        """Follow a client that has come during the load and hears what a group hears."""
        self._groups_of.append(group)
        if not may_be_closed:
            self._bound.add(client)
        self._followers[client] = DivergedClient(group, True, -1, 0)
        for window in self._windows:
            window.came(client)
        self._has_parted = True

    def drop_transient(self, client: int) -> None:
        """Note that nothing more will come for a guest."""
        del self._followers[client]
        self._bound.discard(client)

    def handle(self, reason: int) -> list[tuple[int, int]]:
        """Look at what the core's `run` came back for; return (client, time in ns) of what those apart have received.

        Raises:
            Violation: a client was disconnected, or received what it must not.
        """
        gone = self._core.closed() if reason & Reason.CLOSED else []
        if gone := [one for one in gone if one in self._bound]:
            raise Violation(f"the server closed the connection of client {self._number(gone[0])}, which was reading")
        if reason & Reason.NONCANONICAL:
            for group in range(len(self._owed)):
                self._decode(group)
        took = []
        if reason & Reason.DIVERGED:
            for client, heard, looked, data, at_ns in self._core.take_diverged():
                self._follow(client, heard, looked, data, at_ns)
                took.append((client, at_ns))
        sends = np.frombuffer(self._core.take_sends(), np.int64)
        for window in self._windows:
            window.said(sends)
        if reason & Reason.SUSPECT:
            self._look_at_suspects()
        if self._window.is_full(has_parted=self._has_parted):
            self.resolve_doubt()
            if self._ranks.count > 1:
                self._whole.keep()
            self._window.roll()
            self._has_parted = bool(self._followers) or self._is_always_in_doubt
        return took

    def resolve_doubt(self) -> None:
        """Let the judge decide where there is doubt; raise Violation."""
        if self._is_in_doubt:
            self._window.judge()
        self._was_in_doubt |= self._is_in_doubt
        self._is_in_doubt = self._is_always_in_doubt

    def compare_processes(self, said: Sequence[int]) -> None:
        """Compare with the other processes of the load, when all have ended and settled; raise Violation.

        Args:
            said: by voice, how many messages it has said.
        """
        if self._ranks.count > 1:
            self._said_elsewhere = np.array(said, np.int64)
            self._whole.keep()
            for group, owed in enumerate(self._owed):
                self._check(self._whole.stream(group), owed)
            if (self._highest >= self._said_elsewhere).any():
                raise Violation("a client received a message that nobody has sent")
            self._whole.compare(self._ranks, self._groups, is_in_doubt=self._was_in_doubt)

    def _decode(self, group: int) -> None:
        offset, data = self._core.noncanonical(group)
        if data:
            found = self._frames.decode(data, "a client")
            ends = found.ends + offset
            self._core.append_decoded(group, found.codes.tobytes(), ends.tobytes(), offset + len(data) - len(found.rest))

    def _look_at_suspects(self) -> None:
        for group, owed in enumerate(self._owed):
            first, count = self._core.stream_range(group)
            self._check(np.frombuffer(self._core.stream_codes(group, first, count), np.int64), owed)
        self._was_in_doubt = True
        self._window.judge()

    def _check(self, codes: Int64Array, owed: Int64Array) -> None:
        """Raise Violation for a message that was never said, or is of a topic that was not asked for."""
        voices, numbers = codes // CODE_STRIDE, codes % CODE_STRIDE
        said = np.array([self._core.sender_counts(voice)[0] for voice in range(len(self._voices))], np.int64)
        if self._ranks.count > 1:
            said = np.maximum(said, self._said_elsewhere)
            np.maximum.at(self._highest, voices, numbers)
        if (numbers >= said[voices]).any():
            raise Violation("a client received a message that nobody has sent")
        if not owed[voices].all():
            raise Violation("a client received a message of a topic to which it has not subscribed")

    def _number(self, client: int) -> int:
        return self._numbers[client] if client < len(self._numbers) else client

    # --- following

    def _follow(self, client: int, heard: int, looked: int, data: bytes, at_ns: int) -> None:
        one = self._followers.get(client)
        if one is None:
            one = self._followers[client] = DivergedClient(self._groups_of[client], False, looked - 1, heard)
            for window in self._windows:
                window.parted(client, looked)
            self._has_parted = True
        data = one.rest + data
        found = self._parse(data, f"client {self._number(client)}")
        one.rest = found.rest
        if found.codes.size:
            self._check(found.codes, self._owed[one.group])
            one.heard += found.codes.size
            for window in self._windows:
                window.heard(client, found.codes)
            self._core.record_received(client, one.heard, found.codes.tobytes(), at_ns)
            is_in_place = self._place(one, found, data)
            if is_in_place and not one.is_guest and self._core.resynchronise(client, one.position, one.rest):
                for window in self._windows:
                    window.rejoined(client, one.position)
                del self._followers[client]

    def _parse(self, data: bytes, who: str) -> DecodedFrames:
        codes, ends, consumed, is_foreign = self._core.parse_canonical(data)
        if is_foreign:
            return self._frames.decode(data, who)
        return DecodedFrames(np.frombuffer(codes, np.int64), np.frombuffer(ends, np.int64), data[consumed:])

    def _place(self, one: DivergedClient, found: DecodedFrames, data: bytes) -> bool:
        """Find the places of messages in the group's stream, or let it go on with them; return whether all have one."""
        if one.group not in self._orders:
            self._orders[one.group] = Positions(self._core, one.group, len(self._voices))
        order = self._orders[one.group]
        order.catch_up()
        positions = order.find(found.codes)
        known = np.flatnonzero(positions >= 0)
        until = int(known[-1]) + 1 if known.size else 0
        if known.size:
            places = positions[known]
            is_rising = places[0] > one.position and bool((np.diff(places) > 0).all())
            self._is_in_doubt |= not is_rising or known.size < until
            one.position = int(places[-1])
        news = found.codes[until:]
        if not news.size:
            return True
        begin, end = int(found.ends[until - 1]) if until else 0, int(found.ends[-1])
        if order.are_newer(news):
            before = order.catch_up()
            self._core.append_frames(one.group, data[begin:end])
            if order.catch_up() == before + news.size:
                one.position = before + news.size - 1
                return True
        self._is_in_doubt = True
        return False
