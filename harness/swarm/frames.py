"""The messages of a load, made and read in bulk.

All messages of a load have texts of one length that begin with the voice that speaks and its sequence number as
decimal digits. So their frames mostly have one length as well, whatever the codec, and numpy can write and read
thousands of them at once. Digits, because a codec may be a text format. Whatever else comes, as notices or frames
that a server spells in another way, is read by the codec's own decoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.codec import Codec
from harness.errors import Violation

VOICE_DIGITS = 4
SEQUENCE_DIGITS = 9
SMALLEST_TEXT = VOICE_DIGITS + SEQUENCE_DIGITS
CODE = 10**SEQUENCE_DIGITS  # a message's code is voice * CODE + sequence number
FILLER = b"~"
TENS = 10 ** np.arange(SEQUENCE_DIGITS - 1, -1, -1, dtype=np.int64)

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int64]


class Voice(NamedTuple):
    """Somebody who speaks in a load: a client, to a topic."""

    client: int
    topic: int = 0


class Parsed(NamedTuple):
    """What was in some bytes: the codes of the messages, where each of them ends, and the bytes that are not whole."""

    codes: Numbers
    ends: Numbers
    rest: bytes


class Frames:
    """The messages of some voices, in the form in which they are sent and those in which they may arrive.

    Args:
        codec: the spec's.
        voices: who speaks; a voice's number in its messages is its place here.
        text_bytes: the length of every text, at least SMALLEST_TEXT.
    """

    def __init__(self, codec: Codec, voices: Sequence[Voice], text_bytes: int) -> None:
        self._codec, self._voices = codec, voices
        self._text_bytes = max(text_bytes, SMALLEST_TEXT)
        samples = [b"#" * SMALLEST_TEXT + FILLER * (self._text_bytes - SMALLEST_TEXT)] * len(voices)
        bodies = [codec.body(text, one.topic) for text, one in zip(samples, voices, strict=True)]
        self._sent = [np.frombuffer(codec.encode(body), np.uint8) for body in bodies]
        self._sent_at = [one.tobytes().index(samples[0]) for one in self._sent]
        arriving = [codec.arrives(body, one.client) for body, one in zip(bodies, voices, strict=True)]
        self.bytes_arriving = len(arriving[0])
        self._at = arriving[0].index(samples[0])
        # Where the frames of all voices have one shape, numpy reads them.
        self._is_uniform = {(len(one), one.index(samples[0])) for one in arriving} == {(self.bytes_arriving, self._at)}
        self._arriving: list[Bytes] = []
        if self._is_uniform:
            rest = np.ones(self.bytes_arriving, dtype=bool)
            rest[self._at : self._at + SMALLEST_TEXT] = False
            self._rest = np.flatnonzero(rest)
            distinct = [arriving[0]] if len(set(arriving)) == 1 else arriving
            self._arriving = [np.frombuffer(one, np.uint8)[self._rest] for one in distinct]

    def make(self, voice: int, first: int, count: int) -> bytes:
        """Return the frames of `count` messages of a voice, numbered from `first`, ready to be sent."""
        frames, at = np.tile(self._sent[voice], (count, 1)), self._sent_at[voice]
        numbers = np.arange(first, first + count, dtype=np.int64)
        frames[:, at : at + VOICE_DIGITS] = np.frombuffer(b"%04d" % voice, np.uint8)
        frames[:, at + VOICE_DIGITS : at + SMALLEST_TEXT] = (numbers[:, None] // TENS) % 10 + ord("0")
        return frames.tobytes()

    def parse(self, data: bytes, who: str) -> Parsed:
        """Return what is in bytes that begin at the beginning of a frame.

        Raises:
            Violation: something that no voice can have said, told of `who`.
        """
        whole = len(data) // self.bytes_arriving * self.bytes_arriving
        codes = self._read(data[:whole]) if self._is_uniform else None
        if codes is None:
            return self._decode(data, who)
        return Parsed(codes, np.arange(1, codes.size + 1) * self.bytes_arriving, data[whole:])

    def _read(self, data: bytes) -> Numbers | None:
        """Return the codes of frames in their usual spelling; None when something else is among them."""
        frames = np.frombuffer(data, np.uint8).reshape(-1, self.bytes_arriving)
        digits = frames[:, self._at : self._at + SMALLEST_TEXT].astype(np.int64) - ord("0")
        if not ((digits >= 0) & (digits <= 9)).all():
            return None
        voices = digits[:, :VOICE_DIGITS] @ TENS[-VOICE_DIGITS:]
        if (voices >= len(self._voices)).any():
            return None
        one_for_all = len(self._arriving) == 1
        expected = self._arriving[0] if one_for_all else np.asarray(self._arriving)[voices]
        if not (frames[:, self._rest] == expected).all():
            return None
        codes: Numbers = voices * CODE + digits[:, VOICE_DIGITS:] @ TENS
        return codes

    def _decode(self, data: bytes, who: str) -> Parsed:
        decoder = self._codec.replies()
        try:
            frames = decoder.feed(data)
        except ValueError as error:
            raise Violation(f"{who} received bytes that are not of this protocol: {error}") from None
        rest = decoder.pending
        begins = [*(frame.begins for frame in frames), len(data) - len(rest)]
        told = [
            (self._code(frame.body, frame.sender, who), end)
            for frame, end in zip(frames, begins[1:], strict=True)
            if frame.body is not None
        ]
        table = np.array(told, np.int64).reshape(-1, 2)
        return Parsed(table[:, 0], table[:, 1], rest)

    def _code(self, body: bytes, sender: str | None, who: str) -> int:
        text = body[-self._text_bytes :]
        digits = text[:SMALLEST_TEXT]
        if digits.isdigit() and (number := int(digits[:VOICE_DIGITS])) < len(self._voices):
            voice = self._voices[number]
            if self._codec.body(digits.ljust(self._text_bytes, FILLER), voice.topic) == body:
                name = self._codec.name(voice.client)
                if sender not in (None, name):
                    raise Violation(f"{who} received a message of {name!r} as said by {sender!r}")
                return int(digits)  # voice and number side by side are the code
        raise Violation(f"{who} received what nobody has sent: {body[:40]!r}")
