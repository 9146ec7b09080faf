"""The core of a swarm, of which there are two: a native one, and a twin in Python where that was not built.

A core holds some clients' connections and one load on them: it says what is to be said, receives, compares what clients
of a group receive with the longest stream among them, and keeps logs. Both have the same methods and are tested by the
same tests. Numbers in bulk go through them as the bytes of int64; times are those of the monotonic clock, in ns.
"""

from __future__ import annotations

from enum import IntFlag
from typing import Protocol


class Reason(IntFlag):
    """Why `Core.run` came back before its time."""

    DIVERGED = 1  # a client whose stream is not its group's has received something
    NONCANONICAL = 2  # a group's stream goes on with something that only the codec's decoder can read
    SUSPECT = 4  # a message came too often, too late, before it was said, or to somebody who should not hear it
    CLOSED = 8  # a connection has ended


class Engine(Protocol):
    """One load's clients. They are numbered as they are added, and so are groups and voices."""

    def add(self, fd: int, group: int, is_in_step: bool) -> int:
        """Take a non-blocking socket of a client of this group, whose stream begins now; return its number.

        Who is not in step has parted from the first; who is of no group, -1, stays so.
        """
        ...

    def drop(self, client: int) -> None:
        """Receive no more for a client; its socket stays open."""
        ...

    def flood(self, voice: int, window: int) -> None:
        """Let a voice speak as fast as a window lets: so many messages said and not yet heard by itself."""
        ...

    def pace(self, voices: list[int], start_ns: int, interval_ns: float) -> None:
        """Let voices speak in turns on a schedule: message n is due at start_ns + n * interval_ns.

        Messages of voices that are another process's take their turns, and are not said here.
        """
        ...

    def send(self, voice: int, count: int) -> None:
        """Let a voice say its next `count` messages now, out of turn: it is on no schedule any more."""
        ...

    def stop_sending(self) -> None:
        """End flood and schedule."""
        ...

    def run(self, until_ns: int) -> int:
        """Do all that until then, or for a tenth of a second, or until there is a `Reason`; return the reasons."""
        ...

    def take_diverged(self) -> list[tuple[int, int, int, bytes, int]]:
        """Hand over what was received by those who have parted.

        For each: client, messages heard so far, messages of its group's stream up to its parting, bytes (from the end
        of the last message heard on), time of the last of them.
        """
        ...

    def record_received(self, client: int, heard: int, codes: bytes, at_ns: int) -> None:
        """Say what messages a parted client has received, and how many it has heard by now in all."""
        ...

    def resynchronise(self, client: int, position: int, tail: bytes) -> bool:
        """Let a client be in step again: its last message was `position` of its group's stream, then came `tail`.

        Returns False, and changes nothing, where that stream goes on in another way or is not kept from there on.
        """
        ...

    def append_frames(self, group: int, frames: bytes) -> None:
        """Let a group's stream go on with whole frames; who has received part of another one behind it has parted."""
        ...

    def noncanonical(self, group: int) -> tuple[int, bytes]:
        """Return the offset and the bytes from which on a group's stream cannot be read here; b"" where it can."""
        ...

    def append_decoded(self, group: int, codes: bytes, ends: bytes, parsed: int) -> None:
        """Say what messages were there, the offsets where they end, and the offset up to which all is read."""
        ...

    def closed(self) -> list[int]:
        """Return the clients whose connections have ended, and those dropped."""
        ...

    def parse_canonical(self, data: bytes) -> tuple[bytes, bytes, int, bool]:
        """Read frames in their usual spelling: codes, ends, bytes consumed, whether what comes then is foreign."""
        ...

    def stream_range(self, group: int) -> tuple[int, int]:
        """Return the number of the first message kept of a group's stream, and how many messages it has had."""
        ...

    def stream_codes(self, group: int, start: int, stop: int) -> bytes:
        """Return the codes of messages of a group's stream; IndexError when they are not kept."""
        ...

    def discard_before(self, group: int, until: int) -> None:
        """Keep no message before this one, as far as all in step have received it."""
        ...

    def received_count(self, client: int) -> int:
        """Return how many messages a client has heard."""
        ...

    def position(self, client: int) -> int:
        """Return how many messages of its group's stream a client has received, or had when it parted."""
        ...

    def sender_counts(self, voice: int) -> tuple[int, int]:
        """Return how many messages a voice has said, and up to which it has heard itself."""
        ...

    def has_unsent(self) -> bool:
        """Return whether something that was said could not be sent yet."""
        ...

    def last_progress_ns(self) -> int:
        """Return when something was received last, or given up."""
        ...

    def take_sends(self) -> bytes:
        """Hand over what was said: voice, messages that its client had heard, number of the first, count; and so on."""
        ...

    def take_latencies(self) -> bytes:
        """Hand over the latencies of the schedule: message, ns from its intended time until its voice heard it; …"""
        ...

    def take_lags(self) -> bytes:
        """Hand over how late the messages of the schedule were said: message, ns; and so on."""
        ...
