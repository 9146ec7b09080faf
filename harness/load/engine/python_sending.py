"""The half of the core in Python that speaks: connections, voices, window and schedule."""

from __future__ import annotations

import math
import select
import socket
import time
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from harness.load.engine.frame_templates import CODE_STRIDE, FramePages, FrameTemplate
from harness.load.engine.python_state import Member, Speaker

CLOSED = 8  # see `core.Reason`
MESSAGES_READY = 8192  # on the pages of all voices, or ten of each
MOST_DIGITS = 3  # of messages on a page


class Speech:
    """Clients and what they say; for what the methods mean see `core.Core`."""

    def __init__(self, shapes: Sequence[FrameTemplate]) -> None:
        digits = min(MOST_DIGITS, max(1, int(math.log10(MESSAGES_READY / len(shapes)))))
        self._speakers = [self._speaker(shape, digits) for shape in shapes]
        self._members: list[Member] = []
        self._by_fd: dict[int, int] = {}
        self._voices: dict[int, list[int]] = defaultdict(list)
        for number, one in enumerate(shapes):
            self._voices[one.client].append(number)
        self._poll = select.epoll()
        self._reason = 0
        self._speaking, self._flooding = True, False
        self._paced: list[int] = []
        self._start_ns, self._interval_ns, self._due = 0, 0.0, 0
        self._progress_ns = time.monotonic_ns()
        self._with_unsent: set[int] = set()
        self._sends: list[int] = []
        self._latencies: list[int] = []
        self._lags: list[int] = []

    def __del__(self) -> None:
        for one in self._members:
            one.connection.detach()  # it is another's
        self._poll.close()

    def _speaker(self, shape: FrameTemplate, digits: int) -> Speaker:
        arrives = FramePages(shape, digits, as_arriving=True)
        sent = arrives if shape.sent == shape.arriving else FramePages(shape, digits, as_arriving=False)
        return Speaker(shape, sent, arrives)

    def _said(self, speaker: Speaker) -> int:
        """Return how many messages a voice has said; of those of other processes nobody here knows."""
        return speaker.said if speaker.shape.client >= 0 else CODE_STRIDE

    def add(self, fd: int, group: int, is_in_step: bool) -> int:
        number = len(self._members)
        voices = self._voices.get(number, [])
        self._members.append(Member(socket.socket(fileno=fd), group, not is_in_step, voices))
        self._by_fd[fd] = number
        self._poll.register(fd, select.EPOLLIN)
        return number

    def drop(self, client: int) -> None:
        self._close(client)

    def _close(self, client: int) -> None:
        one = self._members[client]
        if not one.is_closed:
            one.is_closed = True
            fd = one.connection.fileno()
            self._poll.unregister(fd)
            del self._by_fd[fd]

    def flood(self, voice: int, window: int) -> None:
        self._speakers[voice].window = window
        self._flooding = True
        self._refill([voice])

    def pace(self, voices: list[int], start_ns: int, interval_ns: float) -> None:
        self._paced, self._start_ns, self._interval_ns = voices, start_ns, interval_ns
        for place, voice in enumerate(voices):
            self._speakers[voice].place = place

    def stop_sending(self) -> None:
        self._speaking = False

    def send(self, voice: int, count: int) -> None:
        self._speakers[voice].place = -1
        self._say(voice, count)

    def _say(self, voice: int, count: int) -> None:
        speaker = self._speakers[voice]
        client = speaker.shape.client
        one = self._members[client]
        heard = one.heard if one.parted else one.looked + one.shift
        self._sends += (voice, heard, speaker.said, count)
        frames = speaker.sent.frames(speaker.said, count)
        speaker.said += count
        sent = 0 if one.unsent else self._send(client, frames)
        if sent < len(frames):
            one.unsent += frames[sent:]
            self._push(client)

    def _send(self, client: int, data: bytes | bytearray | memoryview) -> int:
        """Return how many bytes the kernel has taken."""
        one = self._members[client]
        try:
            return 0 if one.is_closed else one.connection.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self._close(client)
            self._reason |= CLOSED
            return 0

    def _push(self, client: int) -> None:
        one = self._members[client]
        while one.unsent and (sent := self._send(client, one.unsent)):
            del one.unsent[:sent]
        if bool(one.unsent) != (client in self._with_unsent) and not one.is_closed:
            self._with_unsent ^= {client}
            self._poll.modify(one.connection.fileno(), select.EPOLLIN | (select.EPOLLOUT if one.unsent else 0))

    def _refill(self, voices: Sequence[int]) -> None:
        if not self._speaking:
            return
        for voice in voices:
            one = self._speakers[voice]
            room = one.window - (one.said - one.echoed)
            # In batches of half a window: waking up for each echo would measure that instead.
            if one.window and room >= max(1, one.window // 2) and not self._members[one.shape.client].unsent:
                self._say(voice, room)

    def _intended_ns(self, message: int) -> int:
        return self._start_ns + int(message * self._interval_ns)

    def _say_what_is_due(self, now_ns: int) -> None:
        first, voices = self._due, len(self._paced)
        while self._intended_ns(self._due) <= now_ns:
            self._due += 1
        # In one write a voice: at high rates a write a message would be the limit.
        for turn in range(first, min(self._due, first + voices)):
            voice = self._paced[turn % voices]
            if self._speakers[voice].shape.client < 0:
                continue  # another process says it
            messages, at_ns = range(turn, self._due, voices), time.monotonic_ns()
            for message in messages:
                self._lags += (message, at_ns - self._intended_ns(message))
            self._say(voice, len(messages))

    def _forgive(self) -> None:
        self._progress_ns = time.monotonic_ns()
        for voice, one in enumerate(self._speakers):
            one.echoed = one.said
            self._refill([voice])

    def _echo(self, voice: int, number: int, count: int, at_ns: int) -> None:
        """Note that a voice has heard its own messages, so many from this number on."""
        speaker = self._speakers[voice]
        # By the order of one sender, whatever it said before has come by now, or never will.
        speaker.echoed = max(speaker.echoed, number + count)
        if speaker.place >= 0:
            for one in range(number, number + count):
                message = one * len(self._paced) + speaker.place
                self._latencies += (message, at_ns - self._intended_ns(message))

    def sender_counts(self, voice: int) -> tuple[int, int]:
        return self._speakers[voice].said, self._speakers[voice].echoed

    def has_unsent(self) -> bool:
        return any(self._members[client].unsent for client in self._with_unsent)

    def take_sends(self) -> bytes:
        found, self._sends = self._sends, []
        return np.array(found, np.int64).tobytes()

    def take_latencies(self) -> bytes:
        found, self._latencies = self._latencies, []
        return np.array(found, np.int64).tobytes()

    def take_lags(self) -> bytes:
        found, self._lags = self._lags, []
        return np.array(found, np.int64).tobytes()
