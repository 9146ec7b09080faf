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
TENS = 10 ** np.arange(NUMBER_DIGITS - 1, -1, -1, dtype=np.int64)
FEW = 8  # messages, below which a loop in Python is faster than numpy

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
    at = shape.sent_at + VOICE_DIGITS
    if count < FEW:
        before, behind = shape.sent[:at], shape.sent[at + NUMBER_DIGITS :]
        return b"".join(before + b"%09d" % number + behind for number in range(first, first + count))
    frames = np.tile(np.frombuffer(shape.sent, np.uint8), (count, 1))
    numbers = np.arange(first, first + count, dtype=np.int64)
    frames[:, at : at + NUMBER_DIGITS] = (numbers[:, None] // TENS) % 10 + ord("0")
    return frames.tobytes()


def _eight_digits(digits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the numbers that are eight decimal digits each, the first in the lowest byte, as values from 0 to 9.

    Neighbours are joined, then pairs of them, then those: three multiplications for eight digits.
    """
    pairs = (digits * np.uint64(10) + (digits >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    fours = (pairs * np.uint64(100) + (pairs >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    eights: NDArray[np.uint64] = (fours * np.uint64(10000) + (fours >> np.uint64(32))) & np.uint64(0xFFFFFFFF)
    return eights


class Reader:
    """Reads frames that all have their usual spelling, and one length; of others it says that they are foreign."""

    def __init__(self, shapes: Sequence[Shape]) -> None:
        self._shapes = shapes
        self._length, self._at = len(shapes[0].arrives), shapes[0].arrives_at
        self._is_uniform = {(len(one.arrives), one.arrives_at) for one in shapes} == {(self._length, self._at)}
        self._digits = slice(self._at, self._at + DIGITS)
        self._parts = [(one.arrives[: self._at], one.arrives[self._at + DIGITS :]) for one in shapes]
        if self._is_uniform:
            parts = self._parts[:1] if len(set(self._parts)) == 1 else self._parts
            self._before, self._behind = (
                np.array([np.frombuffer(one[side], np.uint8) for one in parts]) for side in (0, 1)
            )

    def read(self, data: bytes) -> Read:
        """Return what is in bytes that begin at the beginning of a frame."""
        whole = len(data) // self._length * self._length
        codes = None
        if self._is_uniform:
            codes = self._few(data, whole) if whole < FEW * self._length else self._many(data[:whole])
        if codes is None and data:
            return Read(np.empty(0, np.int64), np.empty(0, np.int64), 0, True)
        codes = np.empty(0, np.int64) if codes is None else codes
        ends = np.arange(1, codes.size + 1, dtype=np.int64) * self._length
        return Read(codes, ends, whole, not self._begins(data[whole:]))

    def _few(self, data: bytes, whole: int) -> Numbers | None:
        """Return the codes of whole frames; None when something else is among them."""
        codes = []
        for begin in range(0, whole, self._length):
            at = begin + self._at
            digits = data[at : at + DIGITS]
            if not digits.isdigit() or int(digits[:VOICE_DIGITS]) >= len(self._shapes):
                return None
            before, behind = self._parts[int(digits[:VOICE_DIGITS])]
            if data[begin:at] != before or data[at + DIGITS : begin + self._length] != behind:
                return None
            codes.append(int(digits))
        return np.array(codes, np.int64)

    def _many(self, data: bytes) -> Numbers | None:
        """The same, all at once."""
        frames = np.frombuffer(data, np.uint8).reshape(-1, self._length)
        digits = np.zeros((len(frames), 16), np.uint8)  # two numbers of eight digits
        digits[:, 16 - DIGITS :] = frames[:, self._digits] - np.uint8(ord("0"))
        if digits.max() > 9:
            return None
        eights = _eight_digits(digits.view("<u8"))
        codes: Numbers = (eights[:, 0] * np.uint64(10**8) + eights[:, 1]).astype(np.int64)
        before, behind = self._before, self._behind
        if len(before) > 1 or codes.max() >= len(self._shapes) * CODE:
            voices = codes // CODE
            if voices.max() >= len(self._shapes):
                return None
            if len(before) > 1:
                before, behind = before[voices], behind[voices]
        is_usual = (frames[:, : self._at] == before).all() and (frames[:, self._at + DIGITS :] == behind).all()
        return codes if is_usual else None

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
