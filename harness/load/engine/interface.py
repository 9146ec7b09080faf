"""The interface of a load engine, of which there are two: a native one, and a reference in Python.

An engine holds some clients' connections and one load on them: it sends, receives, compares what the clients of a group
receive with the longest stream among them, and keeps logs. Both engines have the same methods and pass the same tests.
Clients, groups and senders are numbered from 0, in the order in which they are added.

Arrays pass as bytes, because their elements are many: int64 in the byte order of the machine, of shape (n,), or row
by row of shape (n, columns). Times are those of the monotonic clock, in ns. A message's *code* is its sender's number
times CODE_STRIDE plus its own number (see `frame_templates.py`); its *place* is its index in its group's stream.

The native engine has its own copies of the constants below and in `frame_templates.py`; a test compares them.
"""

from __future__ import annotations

from enum import IntFlag
from typing import Protocol

READ_BYTES = 64 * 1024  # per read; a larger buffer does not fit into the cache
TRIM_ABOVE_BYTES = 8 << 20  # a longer stream is trimmed by the part that all clients have received
MAX_LAG_BYTES = 6 << 20  # a client further behind the longest stream counts as diverged
MAX_RUN_NS = 100_000_000  # Python must get its turn to handle signals
QUIET_NS = 500_000_000  # after so long without a byte, messages in flight count as dropped


class Reason(IntFlag):
    """Why `Engine.run` has returned before its time."""

    DIVERGED = 1  # a client whose stream is not its group's has received something
    NONCANONICAL = 2  # a group's stream goes on with something that only the codec's decoder can read
    SUSPECT = 4  # a message came twice, out of order, before it was sent, or to a client that is not subscribed to it
    CLOSED = 8  # a connection has ended


class Engine(Protocol):
    """The clients of one load, and what they send and receive."""

    def add(self, fd: int, group: int, is_in_step: bool) -> int:
        """Add a client, whose stream begins now.

        Args:
            fd: its non-blocking socket, which stays the caller's.
            group: the group whose stream it is promised; -1 for a client that never is in step.
            is_in_step: whether its stream begins where the group's does; if not, it counts as diverged at first.

        Returns:
            The client's number.
        """
        ...

    def drop(self, client: int) -> None:
        """Receive no more for a client; its socket stays open."""
        ...

    def flood(self, sender: int, max_in_flight: int) -> None:
        """Let a sender send as fast as it can with so many messages sent and not yet received by its own client."""
        ...

    def pace(self, senders: list[int], start_ns: int, interval_ns: float, length: int) -> None:
        """Let senders send in turns on a schedule: message n is due at start_ns + n * interval_ns.

        It takes the place of an earlier schedule, whose messages count for no latency any more.

        Senders of other processes have their turns too, but nothing is sent for them here.

        Args:
            senders: their numbers, in the order of their turns.
            start_ns: when the first message is due.
            interval_ns: from one message to the next, whatever their senders.
            length: after how many messages it ends.
        """
        ...

    def send(self, sender: int, count: int) -> None:
        """Send the next `count` messages of a sender now; from then on it is not part of the schedule."""
        ...

    def stop_sending(self) -> None:
        """End flood and schedule."""
        ...

    def run(self, until_ns: int) -> int:
        """Send and receive until then, but at most MAX_RUN_NS, or until there is a `Reason`; return the reasons."""
        ...

    def take_diverged(self) -> list[tuple[int, int, int, bytes, int]]:
        """Return what diverged clients have received since the last call.

        Returns:
            For each of them: client, messages received before these bytes, place in its group's stream at which it
            diverged, bytes (they begin where a message does, or go on with earlier ones), time of the last read.
        """
        ...

    def record_received(self, client: int, received: int, codes: bytes, at_ns: int) -> None:
        """Record which messages a diverged client has received; those of its own senders are their echoes.

        Args:
            client: its number.
            received: how many messages it has received by now in all.
            codes: of the messages that are new, in order (shape (n,)).
            at_ns: when they were received.
        """
        ...

    def resynchronise(self, client: int, position: int, tail: bytes) -> bool:
        """Put a diverged client in step with its group again.

        Args:
            client: its number.
            position: the place of its last message in its group's stream.
            tail: the bytes that it has received after that message.

        Returns:
            False, with nothing changed, if the group's stream goes on differently or is not kept from there on.
        """
        ...

    def append_frames(self, group: int, frames: bytes) -> None:
        """Append whole frames to a group's stream; a client that has received part of another one now diverges."""
        ...

    def noncanonical(self, group: int) -> tuple[int, bytes]:
        """Return the offset from which the engine cannot parse a group's stream, and the bytes there; b"" if it can."""
        ...

    def append_decoded(self, group: int, codes: bytes, ends: bytes, parsed: int) -> None:
        """Append the messages that the codec has decoded from `noncanonical` bytes.

        Args:
            group: its number.
            codes: of the messages (shape (n,)).
            ends: the offsets at which they end in the group's stream (shape (n,)).
            parsed: the offset up to which the stream is decoded now.
        """
        ...

    def closed(self) -> list[int]:
        """Return the clients whose connections have ended, and those dropped."""
        ...

    def parse_canonical(self, data: bytes) -> tuple[bytes, bytes, int, bool]:
        """Parse frames in their canonical encoding.

        Returns:
            Codes of the messages and offsets at which they end (both of shape (n,)), bytes consumed, and whether the
            bytes behind these are noncanonical; if not, they are the beginning of a frame.
        """
        ...

    def stream_range(self, group: int) -> tuple[int, int]:
        """Return the place of the first message kept of a group's stream, and how many messages it has had in all."""
        ...

    def stream_codes(self, group: int, start: int, stop: int) -> bytes:
        """Return the codes of messages of a group's stream, of shape (stop - start,).

        Args:
            group: its number.
            start: the place of the first message.
            stop: the place behind the last message.

        Raises:
            IndexError: not all of them are kept.
        """
        ...

    def discard_before(self, group: int, until: int) -> None:
        """Discard a group's messages before this place, as far as all clients in step have received them."""
        ...

    def received_count(self, client: int) -> int:
        """Return how many messages a client has received."""
        ...

    def position(self, client: int) -> int:
        """Return how many messages of its group's stream a client has received, or had when it diverged."""
        ...

    def sender_counts(self, sender: int) -> tuple[int, int]:
        """Return how many messages a sender has sent, and the number up to which its client has received them back."""
        ...

    def has_unsent(self) -> bool:
        """Return whether some messages still wait for their socket."""
        ...

    def last_progress_ns(self) -> int:
        """Return when something was last received, or messages in flight were given up."""
        ...

    def take_sends(self) -> bytes:
        """Return what was sent since the last call.

        Returns:
            Rows (n, 4): sender, messages that its client had received before, number of the first message, count.
        """
        ...

    def take_latencies(self) -> bytes:
        """Return the latencies of the schedule since the last call.

        Returns:
            Rows (n, 2): message of the schedule, ns from its intended time until its sender's client received it.
        """
        ...

    def take_lags(self) -> bytes:
        """Return how late the messages of the schedule since the last call were sent.

        Returns:
            Rows (n, 2): message of the schedule, ns by which it was sent late.
        """
        ...
