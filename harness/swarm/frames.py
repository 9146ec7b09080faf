"""The messages of a load, made and read in bulk.

All messages of a load have bodies of one length that begin with the sender and its sequence number as decimal
digits, so all frames on the wire have one length as well, whatever the codec, and numpy can write and read
thousands of them at once. Digits, because a codec may be a text format.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.codec import Codec

SENDER_DIGITS = 4
SEQUENCE_DIGITS = 9
SMALLEST_BODY = SENDER_DIGITS + SEQUENCE_DIGITS
FILLER = b"~"
TENS = 10 ** np.arange(SEQUENCE_DIGITS - 1, -1, -1, dtype=np.int64)

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int64]


class Frames:
    """Frames with bodies of one length, in the form in which they are sent and that in which they arrive.

    Args:
        codec: the spec's.
        body_bytes: the length of every body, at least SMALLEST_BODY.
    """

    def __init__(self, codec: Codec, body_bytes: int) -> None:
        sample = b"".ljust(SMALLEST_BODY, b"#").ljust(body_bytes, FILLER)
        sent, arriving = codec.encode(sample), codec.arrives(sample, 0)
        self.bytes_arriving = len(arriving)
        self._sent, self._sent_at = np.frombuffer(sent, np.uint8), sent.index(sample)
        self._arriving, self._arriving_at = np.frombuffer(arriving, np.uint8), arriving.index(sample)
        rest = np.ones(len(arriving), dtype=bool)
        rest[self._arriving_at : self._arriving_at + SMALLEST_BODY] = False
        self._rest = np.flatnonzero(rest)

    def make(self, sender: int, first: int, count: int) -> bytes:
        """Return the frames of `count` messages of a sender, numbered from `first`, ready to be sent."""
        frames, at = np.tile(self._sent, (count, 1)), self._sent_at
        numbers = np.arange(first, first + count, dtype=np.int64)
        frames[:, at : at + SENDER_DIGITS] = np.frombuffer(b"%04d" % sender, np.uint8)
        frames[:, at + SENDER_DIGITS : at + SMALLEST_BODY] = (numbers[:, None] // TENS) % 10 + ord("0")
        return frames.tobytes()

    def read(self, data: bytes | bytearray) -> tuple[Numbers, Numbers] | None:
        """Return senders and sequence numbers of frames that arrived; None when one of them is no frame of ours.

        Args:
            data: a whole number of frames.
        """
        frames = np.frombuffer(data, np.uint8).reshape(-1, self.bytes_arriving)
        digits = frames[:, self._arriving_at : self._arriving_at + SMALLEST_BODY].astype(np.int64) - ord("0")
        good = ((digits >= 0) & (digits <= 9)).all()
        if not (good and (frames[:, self._rest] == self._arriving[self._rest]).all()):
            return None
        return digits[:, :SENDER_DIGITS] @ TENS[-SENDER_DIGITS:], digits[:, SENDER_DIGITS:] @ TENS
