"""The streams of the Python engine's groups: new bytes are recognised or parsed, old ones are trimmed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.load.engine.frame_templates import CODE_STRIDE, SMALL_BATCH, CanonicalReader, Int64Array
from harness.load.engine.interface import MAX_LAG_BYTES, TRIM_ABOVE_BYTES, Reason
from harness.load.engine.python_state import ClientState, ClientTable, GroupState, SenderState

# As int, because the sums of an IntFlag are slow.
DIVERGED, NONCANONICAL, SUSPECT = int(Reason.DIVERGED), int(Reason.NONCANONICAL), int(Reason.SUSPECT)


def _count_equal(stream: bytearray, at: int, frames: memoryview, length: int) -> int:
    """Return how many frames of a stream are the same as expected, at least the first.

    Args:
        stream: the bytes to look at.
        at: the offset from which to compare.
        frames: the frames that are expected, of which the first is known to be there.
        length: of each frame, in bytes.
    """
    low, high = 1, len(frames) // length
    if stream.startswith(frames[: high * length], at):
        return high
    while low < high - 1:
        middle = (low + high) // 2
        low, high = (middle, high) if stream.startswith(frames[: middle * length], at) else (low, middle)
    return low


class Streams:
    """The groups of an engine and their streams.

    Args:
        table: the engine's clients.
        senders: all senders, by number.
        subscribed: for each group one byte a sender, 1 if the group's clients may receive from it, else 0.

    Attributes:
        groups: by number.
        reader: reads frames in their canonical encoding.
    """

    def __init__(self, table: ClientTable, senders: Sequence[SenderState], subscribed: Sequence[bytes]) -> None:
        self.groups = [GroupState(by_sender, [-1] * len(senders)) for by_sender in subscribed]
        self.reader = CanonicalReader([sender.template for sender in senders])
        self._table, self._clients, self._senders = table, table.by_number, senders

    def extend(self, number: int, data: bytes | memoryview) -> None:
        """Append to a group's stream what one of its clients is the first to receive."""
        group = self.groups[number]
        if len(group.stream) > TRIM_ABOVE_BYTES and not group.is_noncanonical:
            self._trim(number, group)
        group.stream += data
        if group.is_noncanonical:
            return
        if self._recognises_all(group):
            return
        frames = self.reader.read(bytes(memoryview(group.stream)[group.parsed - group.base :]))
        self.append_messages(group, frames.codes, frames.ends + group.parsed)
        group.parsed += frames.consumed
        if frames.is_noncanonical:
            group.is_noncanonical = True
            self._table.reason |= NONCANONICAL

    def _recognises_all(self, group: GroupState) -> bool:
        """Append the messages that stand in a stream just as they were sent, many at once, without parsing each.

        Returns whether those were all; if so, what is left is the beginning of a frame.
        """
        stream = group.stream
        while (at := group.parsed - group.base) < len(stream):
            code = self.reader.code_at(stream, at)
            if code < 0:
                return self.reader.is_prefix(bytes(stream[at:]))
            number, first = code // CODE_STRIDE, code % CODE_STRIDE
            sender = self._senders[number]
            length = len(sender.template.arriving)
            most = min(len(stream) - at, (sender.sent_limit() - first) * length)
            if most <= 0:
                return False
            count = _count_equal(stream, at, sender.arriving_frames.from_number(first)[:most], length)
            self._check(group, number, first, first + count - 1)
            group.append_run(code, count, length)
        return True

    def append_messages(self, group: GroupState, codes: Int64Array, ends: Int64Array) -> None:
        """Append messages to a group's stream, and check whether they may stand there.

        Args:
            group: the group.
            codes: of shape (n,).
            ends: the offsets in the stream at which they end, of shape (n,).
        """
        if codes.size < SMALL_BATCH:
            for code in codes.tolist():
                self._check(group, code // CODE_STRIDE, code % CODE_STRIDE, code % CODE_STRIDE)
        else:
            senders = codes // CODE_STRIDE
            for number in np.unique(senders).tolist():
                own = codes[senders == number]
                if not (own[1:] > own[:-1]).all():
                    self._table.reason |= SUSPECT
                self._check(group, number, int(own[0]) % CODE_STRIDE, int(own[-1]) % CODE_STRIDE)
        group.append_messages(codes, ends)

    def _check(self, group: GroupState, number: int, first: int, last: int) -> None:
        """Report a sender's next messages in a stream, whose numbers rise, if they must not stand there."""
        sender = self._senders[number]
        if first <= group.highest[number] or last >= sender.sent_limit() or not group.subscribed[number]:
            self._table.reason |= SUSPECT
        group.highest[number] = max(group.highest[number], last)

    def _trim(self, group_number: int, group: GroupState) -> None:
        """Discard the bytes that all clients in step have received; a client too far behind counts as diverged."""
        least = group.end_of(group.count)
        for number, client in enumerate(self._clients):
            if client.group == group_number and not client.is_diverged and not client.is_closed:
                if group.stream_end - client.offset > MAX_LAG_BYTES:
                    self.diverge(number, client)
                else:
                    least = min(least, group.end_of(group.messages_within(client.offset)))
        del group.stream[: least - group.base]
        group.base = least

    def diverge(self, number: int, client: ClientState) -> None:
        """Take a client out of step; its own bytes begin behind the last message that it has received whole."""
        group = self.groups[client.group]
        client.scanned = group.messages_within(client.offset)
        client.received = client.scanned + client.shift
        client.is_diverged = True
        client.pending += group.stream[group.end_of(client.scanned) - group.base : client.offset - group.base]
        self._table.with_pending.add(number)
        self._table.reason |= DIVERGED
