"""What the messages of a load look like as bytes: made in bulk, and read in bulk where their spelling is the usual one.

All messages of a load have texts of one length that begin with the voice that speaks and the message's number as
decimal digits: digits, because a codec may be a text format. So the frames of a voice differ in their digits only,
whatever the codec, and nobody needs its decoder for them. Whatever else comes, as notices or frames that a server
spells in another way, is read by the codec's own decoder (see `frames.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

VOICE_DIGITS = 4
NUMBER_DIGITS = 9
DIGITS = VOICE_DIGITS + NUMBER_DIGITS
CODE = 10**NUMBER_DIGITS  # a message's code is voice * CODE + number
TENS = 10 ** np.arange(DIGITS - 1, -1, -1, dtype=np.int64)

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int64]


class Shape(NamedTuple):
    """The frames of one voice.

    Attributes:
        client: who speaks; -1 for somebody of another process.
        sent: the frame in which it sends its message 0.
        sent_at: where the digits begin in it.
        arrives, arrives_at: the same of the frame in which a server usually delivers it.
    """

    client: int
    sent: bytes
    sent_at: int
    arrives: bytes
    arrives_at: int


class Read(NamedTuple):
    """What was in some bytes.

    Attributes:
        codes: of the messages.
        ends: where each of them ends, in bytes.
        consumed: how many bytes were read.
        is_foreign: whether what comes then is no frame in its usual spelling; else it is the beginning of one.
    """

    codes: Numbers
    ends: Numbers
    consumed: int
    is_foreign: bool


def make(shape: Shape, first: int, count: int) -> bytes:
    """Return the frames in which a voice sends its messages `first`, `first` + 1, …: `count` of them."""
    frames, at = np.tile(np.frombuffer(shape.sent, np.uint8), (count, 1)), shape.sent_at + VOICE_DIGITS
    numbers = np.arange(first, first + count, dtype=np.int64)
    frames[:, at : at + NUMBER_DIGITS] = (numbers[:, None] // TENS[VOICE_DIGITS:]) % 10 + ord("0")
    return frames.tobytes()


class Reader:
    """Reads frames that all have their usual spelling, and one length; of others it says that they are foreign."""

    def __init__(self, shapes: Sequence[Shape]) -> None:
        self._shapes = shapes
        self._length, self._at = len(shapes[0].arrives), shapes[0].arrives_at
        self._is_uniform = {(len(one.arrives), one.arrives_at) for one in shapes} == {(self._length, self._at)}
        self._digits = slice(self._at, self._at + DIGITS)
        rest = np.ones(self._length, dtype=bool)
        rest[self._digits] = False
        self._rest = np.flatnonzero(rest)
        if self._is_uniform:
            without = np.array([np.frombuffer(one.arrives, np.uint8)[self._rest] for one in shapes])
            self._usual = without[:1] if (without == without[0]).all() else without

    def read(self, data: bytes) -> Read:
        """Return what is in bytes that begin at the beginning of a frame."""
        whole = len(data) // self._length * self._length
        codes = self._codes(data[:whole]) if self._is_uniform else None
        if codes is None and data:
            return Read(np.empty(0, np.int64), np.empty(0, np.int64), 0, True)
        codes = np.empty(0, np.int64) if codes is None else codes
        ends = np.arange(1, codes.size + 1, dtype=np.int64) * self._length
        return Read(codes, ends, whole, not self._begins(data[whole:]))

    def _codes(self, data: bytes) -> Numbers | None:
        """Return the codes of whole frames; None when something else is among them."""
        frames = np.frombuffer(data, np.uint8).reshape(-1, self._length)
        digits = frames[:, self._digits] - np.uint8(ord("0"))
        if frames.size and digits.max() > 9:
            return None
        codes: Numbers = digits @ TENS
        voices = codes // CODE
        if frames.size and voices.max() >= len(self._shapes):
            return None
        expected = self._usual if len(self._usual) == 1 else self._usual[voices]
        return codes if (frames[:, self._rest] == expected).all() else None

    def _begins(self, data: bytes) -> bool:
        """Return whether bytes are the beginning of a frame in its usual spelling."""
        digits = data[self._digits]
        if digits and not digits.isdigit():
            return False
        voice = data[self._at : self._at + VOICE_DIGITS]
        able = self._shapes
        if len(voice) == VOICE_DIGITS:
            able = able[int(voice) : int(voice) + 1]
        behind = data[self._at + DIGITS :]
        return any(
            one.arrives.startswith(data[: self._at])
            and one.arrives[self._at :].startswith(voice)
            and one.arrives[self._at + DIGITS :].startswith(behind)
            for one in able
        )
