"""The frames of a load's messages: rendered in bulk, and read in bulk where they are in their canonical encoding.

All messages of a load have texts of one length, which begin with the number of the sender and the number of the message
as decimal digits: digits, because a codec may be a text format. So a sender's frames differ in their digits only,
whatever the codec, and no decoder is needed for them. All other bytes, such as notices or frames that a server encodes
in another way, are read by the codec's own decoder (see `verify/frames.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

SENDER_DIGITS = 4
NUMBER_DIGITS = 9
DIGITS = SENDER_DIGITS + NUMBER_DIGITS
CODE_STRIDE = 10**NUMBER_DIGITS  # a message's code is sender * CODE_STRIDE + number
# How to join neighbouring groups of digits: the factor of the first, the distance in bits, the mask of the sum.
JOINS = [
    (np.uint64(10), np.uint64(8), np.uint64(0x00FF00FF00FF00FF)),
    (np.uint64(100), np.uint64(16), np.uint64(0x0000FFFF0000FFFF)),
    (np.uint64(10000), np.uint64(32), np.uint64(0xFFFFFFFF)),
]
PAGES_KEPT = 4  # for each sender
SMALL_BATCH = 8  # with fewer messages, a loop in Python is faster than numpy

Int64Array = NDArray[np.int64]


class FrameTemplate(NamedTuple):
    """The frames of one sender; all others differ from these in the digits only.

    Attributes:
        client: the client that sends; -1 for one of another process.
        sent: the frame in which its message 0 is sent.
        sent_offset: where the digits begin in `sent`.
        arriving: the frame in which a server delivers its message 0, in its canonical encoding.
        arriving_offset: where the digits begin in `arriving`.
    """

    client: int
    sent: bytes
    sent_offset: int
    arriving: bytes
    arriving_offset: int


class CanonicalFrames(NamedTuple):
    """The frames that were read from some bytes.

    Attributes:
        codes: of the messages, of shape (n,).
        ends: the offsets at which they end in the bytes, of shape (n,).
        consumed: how many bytes were read.
        is_noncanonical: whether the rest is no frame in its canonical encoding; if not, it is the beginning of one.
    """

    codes: Int64Array
    ends: Int64Array
    consumed: int
    is_noncanonical: bool


def make_frames(template: FrameTemplate, first: int, count: int, *, as_arriving: bool = False) -> bytes:
    """Return frames of one sender, one behind the other.

    Args:
        template: of the sender.
        first: the number of the first message.
        count: how many messages, with successive numbers.
        as_arriving: whether to return the frames in which they arrive, instead of those in which they are sent.
    """
    frame, at = (template.arriving, template.arriving_offset) if as_arriving else (template.sent, template.sent_offset)
    before, behind = frame[: at + SENDER_DIGITS], frame[at + DIGITS :]
    return b"".join(before + b"%0*d" % (NUMBER_DIGITS, number) + behind for number in range(first, first + count))


def _column(frames: bytes | bytearray, kind: str, at: int, length: int) -> NDArray[Any]:
    """Return a view of the same part of every frame.

    Args:
        frames: n frames, one behind the other.
        kind: the numpy type of the part.
        at: where the part begins in a frame.
        length: of a frame, in bytes.

    Returns:
        An array of shape (n,).
    """
    return np.ndarray((len(frames) // length,), kind, frames, at, (length,))


def _parse_digits(digits: NDArray[np.uint64]) -> NDArray[np.uint64] | None:
    """Return the numbers that groups of eight decimal digits make; None if some characters are no digits.

    Neighbours are joined, then pairs of them, then those: three multiplications for eight digits.

    Args:
        digits: of shape (n,), eight characters each, the first one in the lowest byte.

    Returns:
        An array of shape (n,).
    """
    numbers = digits - np.uint64(0x3030303030303030)
    part = numbers + np.uint64(0x7676767676767676)  # sets the highest bit of a byte over 9
    part |= numbers
    if np.bitwise_or.reduce(part) & np.uint64(0x8080808080808080):
        return None
    for factor, shift, mask in JOINS:
        np.right_shift(numbers, shift, out=part)
        numbers *= factor
        numbers += part
        numbers &= mask
    return numbers


class FramePages:
    """The frames of one sender in one form, rendered by the page, so that many messages are one slice.

    Args:
        template: of the sender.
        digits: the last digits of a number, which count the messages of a page; a page has 10 ** digits of them.
        as_arriving: see `make_frames`.
    """

    def __init__(self, template: FrameTemplate, digits: int, *, as_arriving: bool) -> None:
        self._size = 10**digits
        self._first_page = make_frames(template, 0, self._size, as_arriving=as_arriving)
        self._length = len(template.arriving if as_arriving else template.sent)
        self._at = (template.arriving_offset if as_arriving else template.sent_offset) + SENDER_DIGITS
        self._page_digits = NUMBER_DIGITS - digits  # the leading ones, which are the same on a page
        self._kept: dict[int, memoryview] = {}

    def from_number(self, number: int) -> memoryview:
        """Return the frames from this number to the end of its page."""
        page, place = divmod(number, self._size)
        frames = self._kept.get(page)
        if frames is None:
            rendered = bytearray(self._first_page)
            kind = f"V{self._page_digits}"
            digits = np.array(b"%0*d" % (self._page_digits, page)).view(kind)
            _column(rendered, kind, self._at, self._length)[:] = digits
            frames = self._kept[page] = memoryview(rendered)
            if len(self._kept) > PAGES_KEPT:
                del self._kept[min(self._kept)]
        return frames[place * self._length :]

    def frames(self, first: int, count: int) -> bytes | memoryview:
        """Return the frames of `count` messages from the number `first` on."""
        parts = []
        while count:
            part = self.from_number(first)[: count * self._length]
            parts.append(part)
            first, count = first + len(part) // self._length, count - len(part) // self._length
        return parts[0] if len(parts) == 1 else b"".join(parts)


class CanonicalReader:
    """Reads frames in their canonical encoding, if those of all senders have one length; else all are noncanonical."""

    def __init__(self, templates: Sequence[FrameTemplate]) -> None:
        self._templates = templates
        self._length, self._at = len(templates[0].arriving), templates[0].arriving_offset
        layouts = {(len(template.arriving), template.arriving_offset) for template in templates}
        self._is_uniform = layouts == {(self._length, self._at)}
        self._digits = slice(self._at, self._at + DIGITS)
        # By sender: the bytes before the digits, and those behind them.
        self._sides = [
            (template.arriving[: self._at], template.arriving[self._at + DIGITS :]) for template in templates
        ]
        self._sides_differ = len(set(self._sides)) > 1

    def code_at(self, data: bytearray, begin: int) -> int:
        """Return the code of the frame that begins at an offset, -1 if there is no whole and canonical one."""
        at = begin + self._at
        digits = data[at : at + DIGITS]
        if not self._is_uniform or not digits.isdigit() or begin + self._length > len(data):
            return -1
        sender = int(digits[:SENDER_DIGITS])
        if sender >= len(self._templates):
            return -1
        before, behind = self._sides[sender]
        is_canonical = data.startswith(before, begin) and data.startswith(behind, at + DIGITS)
        return int(digits) if is_canonical else -1

    def read(self, data: bytes) -> CanonicalFrames:
        """Read bytes that begin where a frame does."""
        whole = len(data) // self._length * self._length
        codes = None
        if self._is_uniform:
            is_small = whole < SMALL_BATCH * self._length
            codes = self._read_small_batch(data, whole) if is_small else self._read_batch(data[:whole])
        if codes is None and data:
            return CanonicalFrames(np.empty(0, np.int64), np.empty(0, np.int64), 0, True)
        codes = np.empty(0, np.int64) if codes is None else codes
        ends = np.arange(1, codes.size + 1, dtype=np.int64) * self._length
        return CanonicalFrames(codes, ends, whole, not self.is_prefix(data[whole:]))

    def _read_small_batch(self, data: bytes, whole: int) -> Int64Array | None:
        """Return the codes of the frames in the first `whole` bytes, of shape (n,); None if not all are canonical."""
        codes = []
        for begin in range(0, whole, self._length):
            at = begin + self._at
            digits = data[at : at + DIGITS]
            if not digits.isdigit() or int(digits[:SENDER_DIGITS]) >= len(self._templates):
                return None
            before, behind = self._sides[int(digits[:SENDER_DIGITS])]
            if data[begin:at] != before or data[at + DIGITS : begin + self._length] != behind:
                return None
            codes.append(int(digits))
        return np.array(codes, np.int64)

    def _read_batch(self, data: bytes) -> Int64Array | None:
        """Return the codes of whole frames, of shape (n,); None if not all are canonical."""
        padded = bytearray(b"0" * 8 * (len(data) // self._length))
        _column(padded, "V5", 3, 8)[:] = _column(data, "V5", self._at, self._length)
        low = _parse_digits(_column(data, "<u8", self._at + DIGITS - 8, self._length))
        high = _parse_digits(np.frombuffer(padded, "<u8"))
        if low is None or high is None or high.max() >= len(self._templates) * 10:
            return None
        high *= np.uint64(10**8)
        high += low
        codes = high.view(np.int64)
        senders = codes // CODE_STRIDE if self._sides_differ else codes
        for side, at in ((0, 0), (1, self._at + DIGITS)):
            canonical = [sides[side] for sides in self._sides]
            if canonical[0]:
                actual = _column(data, f"V{len(canonical[0])}", at, self._length).tobytes()
                if self._sides_differ:
                    expected = b"".join([canonical[sender] for sender in senders.tolist()])
                else:
                    expected = canonical[0] * codes.size
                if actual != expected:
                    return None
        return codes

    def is_prefix(self, data: bytes) -> bool:
        """Return whether bytes, fewer than a frame's, are the beginning of a canonical frame."""
        if len(data) >= self._length or not self._is_uniform:
            return not data
        digits = data[self._digits]
        if digits and not digits.isdigit():
            return False
        sender = data[self._at : self._at + SENDER_DIGITS]
        candidates = self._templates
        if len(sender) == SENDER_DIGITS:
            candidates = candidates[int(sender) : int(sender) + 1]
        behind = data[self._at + DIGITS :]
        return any(
            template.arriving.startswith(data[: self._at])
            and template.arriving[self._at :].startswith(sender)
            and template.arriving[self._at + DIGITS :].startswith(behind)
            for template in candidates
        )
