"""What the messages of a load look like as bytes: made in bulk, and read in bulk where their spelling is the usual one.

All messages of a load have texts of one length that begin with the voice that speaks and the message's number as
decimal digits: digits, because a codec may be a text format. So the frames of a voice differ in their digits only,
whatever the codec, and nobody needs its decoder for them. Whatever else comes, as notices or frames that a server
spells in another way, is read by the codec's own decoder (see `frames.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

SENDER_DIGITS = 4
NUMBER_DIGITS = 9
DIGITS = SENDER_DIGITS + NUMBER_DIGITS
CODE_STRIDE = 10**NUMBER_DIGITS  # a message's code is voice * CODE + number
JOINS = [
    (np.uint64(10), np.uint64(8), np.uint64(0x00FF00FF00FF00FF)),
    (np.uint64(100), np.uint64(16), np.uint64(0x0000FFFF0000FFFF)),
    (np.uint64(10000), np.uint64(32), np.uint64(0xFFFFFFFF)),
]
PAGES_KEPT = 4  # kept of each voice
SMALL_BATCH = 8  # messages, below which a loop in Python is faster than numpy

Bytes = NDArray[np.uint8]
Int64Array = NDArray[np.int64]


class FrameTemplate(NamedTuple):
    """The frames of one voice.

    Attributes:
        client: who speaks; -1 for somebody of another process.
        sent: the frame in which it sends its message 0.
        sent_at: where the digits begin in it.
        arrives, arrives_at: the same of the frame in which a server usually delivers it.
    """

    client: int
    sent: bytes
    sent_offset: int
    arriving: bytes
    arriving_offset: int


class CanonicalFrames(NamedTuple):
    """What was in some bytes.

    Attributes:
        codes: of the messages.
        ends: where each of them ends, in bytes.
        consumed: how many bytes were read.
        is_foreign: whether what comes then is no frame in its usual spelling; else it is the beginning of one.
    """

    codes: Int64Array
    ends: Int64Array
    consumed: int
    is_noncanonical: bool


def make_frames(shape: FrameTemplate, first: int, count: int, *, as_arriving: bool = False) -> bytes:
    """Return the frames in which a voice sends its messages `first`, `first` + 1, …: `count` of them.

    Args:
        as_arriving: the frames in which they arrive, instead.
    """
    frame, at = (shape.arriving, shape.arriving_offset) if as_arriving else (shape.sent, shape.sent_offset)
    before, behind = frame[: at + SENDER_DIGITS], frame[at + DIGITS :]
    return b"".join(before + b"%0*d" % (NUMBER_DIGITS, number) + behind for number in range(first, first + count))


def _column(frames: bytes | bytearray, kind: str, at: int, length: int) -> NDArray[Any]:
    """Return a view of what stands at one place of every frame."""
    return np.ndarray((len(frames) // length,), kind, frames, at, (length,))


def _number(digits: NDArray[np.uint64]) -> NDArray[np.uint64] | None:
    """Return the numbers that eight characters each are, the first in the lowest byte; None when some are no digits.

    Neighbours are joined, then pairs of them, then those: three multiplications for eight digits.
    """
    made = digits - np.uint64(0x3030303030303030)
    part = made + np.uint64(0x7676767676767676)  # sets the highest bit of a byte over 9
    part |= made
    if np.bitwise_or.reduce(part) & np.uint64(0x8080808080808080):
        return None
    for factor, shift, mask in JOINS:
        np.right_shift(made, shift, out=part)
        made *= factor
        made += part
        made &= mask
    return made


class FramePages:
    """The frames of one voice in either form, made by the page: what was said is sent, and recognised, as a slice.

    Args:
        digits: that change on a page; so it has 10 ** digits messages, and differs from another one in the others only.
        as_arriving: see `make`.
    """

    def __init__(self, shape: FrameTemplate, digits: int, *, as_arriving: bool) -> None:
        self._size = 10**digits
        self._first = make_frames(shape, 0, self._size, as_arriving=as_arriving)
        self._length = len(shape.arriving if as_arriving else shape.sent)
        self._at = (shape.arriving_offset if as_arriving else shape.sent_offset) + SENDER_DIGITS
        self._same = NUMBER_DIGITS - digits
        self._kept: dict[int, memoryview] = {}

    def from_number(self, number: int) -> memoryview:
        """Return the frames from this number on, as far as its page goes."""
        page, place = divmod(number, self._size)
        frames = self._kept.get(page)
        if frames is None:
            made = bytearray(self._first)
            kind = f"V{self._same}"
            _column(made, kind, self._at, self._length)[:] = np.array(b"%0*d" % (self._same, page)).view(kind)
            frames = self._kept[page] = memoryview(made)
            if len(self._kept) > PAGES_KEPT:
                del self._kept[min(self._kept)]
        return frames[place * self._length :]

    def frames(self, first: int, count: int) -> bytes | memoryview:
        """Return the frames of so many messages."""
        parts = []
        while count:
            part = self.from_number(first)[: count * self._length]
            parts.append(part)
            first, count = first + len(part) // self._length, count - len(part) // self._length
        return parts[0] if len(parts) == 1 else b"".join(parts)


class CanonicalReader:
    """Reads frames that all have their usual spelling, and one length; of others it says that they are foreign."""

    def __init__(self, shapes: Sequence[FrameTemplate]) -> None:
        self._shapes = shapes
        self._length, self._at = len(shapes[0].arriving), shapes[0].arriving_offset
        self._is_uniform = {(len(one.arriving), one.arriving_offset) for one in shapes} == {(self._length, self._at)}
        self._digits = slice(self._at, self._at + DIGITS)
        self._parts = [(one.arriving[: self._at], one.arriving[self._at + DIGITS :]) for one in shapes]
        self._sides_differ = len(set(self._parts)) > 1

    def code_at(self, data: bytearray, begin: int) -> int:
        """Return the code of the frame that begins at an offset, -1 where no whole one in its usual spelling does."""
        at = begin + self._at
        digits = data[at : at + DIGITS]
        if not self._is_uniform or not digits.isdigit() or begin + self._length > len(data):
            return -1
        voice = int(digits[:SENDER_DIGITS])
        if voice >= len(self._shapes):
            return -1
        before, behind = self._parts[voice]
        is_usual = data.startswith(before, begin) and data.startswith(behind, at + DIGITS)
        return int(digits) if is_usual else -1

    def read(self, data: bytes) -> CanonicalFrames:
        """Return what is in bytes that begin at the beginning of a frame."""
        whole = len(data) // self._length * self._length
        codes = None
        if self._is_uniform:
            codes = self._few(data, whole) if whole < SMALL_BATCH * self._length else self._many(data[:whole])
        if codes is None and data:
            return CanonicalFrames(np.empty(0, np.int64), np.empty(0, np.int64), 0, True)
        codes = np.empty(0, np.int64) if codes is None else codes
        ends = np.arange(1, codes.size + 1, dtype=np.int64) * self._length
        return CanonicalFrames(codes, ends, whole, not self.is_prefix(data[whole:]))

    def _few(self, data: bytes, whole: int) -> Int64Array | None:
        """Return the codes of whole frames; None when something else is among them."""
        codes = []
        for begin in range(0, whole, self._length):
            at = begin + self._at
            digits = data[at : at + DIGITS]
            if not digits.isdigit() or int(digits[:SENDER_DIGITS]) >= len(self._shapes):
                return None
            before, behind = self._parts[int(digits[:SENDER_DIGITS])]
            if data[begin:at] != before or data[at + DIGITS : begin + self._length] != behind:
                return None
            codes.append(int(digits))
        return np.array(codes, np.int64)

    def _many(self, data: bytes) -> Int64Array | None:
        """The same, all at once."""
        padded = bytearray(b"0" * 8 * (len(data) // self._length))
        _column(padded, "V5", 3, 8)[:] = _column(data, "V5", self._at, self._length)
        low = _number(_column(data, "<u8", self._at + DIGITS - 8, self._length))
        high = _number(np.frombuffer(padded, "<u8"))
        if low is None or high is None or high.max() >= len(self._shapes) * 10:
            return None
        high *= np.uint64(10**8)
        high += low
        codes = high.view(np.int64)
        voices = codes // CODE_STRIDE if self._sides_differ else codes
        for side, at in ((0, 0), (1, self._at + DIGITS)):
            usual = [one[side] for one in self._parts]
            if usual[0]:
                found = _column(data, f"V{len(usual[0])}", at, self._length).tobytes()
                differ = self._sides_differ
                if found != (b"".join([usual[one] for one in voices.tolist()]) if differ else usual[0] * codes.size):
                    return None
        return codes

    def is_prefix(self, data: bytes) -> bool:
        """Return whether bytes, fewer than a frame's, are the beginning of one in its usual spelling."""
        if len(data) >= self._length or not self._is_uniform:
            return not data
        digits = data[self._digits]
        if digits and not digits.isdigit():
            return False
        voice = data[self._at : self._at + SENDER_DIGITS]
        able = self._shapes
        if len(voice) == SENDER_DIGITS:
            able = able[int(voice) : int(voice) + 1]
        behind = data[self._at + DIGITS :]
        return any(
            one.arriving.startswith(data[: self._at])
            and one.arriving[self._at :].startswith(voice)
            and one.arriving[self._at + DIGITS :].startswith(behind)
            for one in able
        )
