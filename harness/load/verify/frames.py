"""The messages of a load in the words of a codec: their shapes, and the reading of whatever has another one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from harness.codec import Codec
from harness.errors import Violation
from harness.load.engine.frame_templates import DIGITS, SENDER_DIGITS, FrameTemplate, Int64Array

MIN_TEXT_BYTES = DIGITS
FILLER = b"~"
MARK = b"mark "  # what no text of a load has in it, and every message has by which clients find out that they are in


class Sender(NamedTuple):
    """Somebody who speaks in a load: a client, to a topic."""

    client: int
    topic: int = 0


class DecodedFrames(NamedTuple):
    """What was in some bytes: the codes of the messages, where each of them ends, and the bytes that are not whole."""

    codes: Int64Array
    ends: Int64Array
    rest: bytes


class Frames:
    """The messages of some voices.

    Args:
        codec: the spec's.
        voices: who speaks; a voice's number in its messages is its place here.
        text_bytes: the length of every text; SMALLEST_TEXT when it is less.
        as_arriving: whether voices send their messages in the form in which they arrive: for a relay of bytes.
        marks_may_come: whether messages with MARK are no fault; they are left out.
    """

    def __init__(
        self,
        codec: Codec,
        voices: Sequence[Sender],
        text_bytes: int,
        *,
        as_arriving: bool = False,
        marks_may_come: bool = False,
    ) -> None:
        self._codec, self._voices = codec, voices
        self._marks_may_come = marks_may_come
        self._text_bytes = max(text_bytes, MIN_TEXT_BYTES)
        self.templates = [self._shape(number, one, as_arriving) for number, one in enumerate(voices)]

    def _shape(self, number: int, voice: Sender, as_arriving: bool) -> FrameTemplate:
        body = self._codec.make_body(self._text(b"%0*d" % (DIGITS, number * 10 ** (DIGITS - SENDER_DIGITS))), voice.topic)
        mark = self._codec.make_body(self._text(b"#" * DIGITS), voice.topic)  # where the digits are, nothing else may be
        arrives, arrives_at = self._codec.encode_delivery(body, voice.client), self._codec.encode_delivery(mark, voice.client)
        sent, sent_at = self._codec.encode(body), self._codec.encode(mark)
        if as_arriving:
            sent, sent_at = arrives, arrives_at
        return FrameTemplate(voice.client, sent, sent_at.index(b"#" * DIGITS), arrives, arrives_at.index(b"#" * DIGITS))

    def _text(self, digits: bytes) -> bytes:
        return digits.ljust(self._text_bytes, FILLER)

    def decode(self, data: bytes, who: str) -> DecodedFrames:
        """Return what is in bytes that begin at the beginning of a frame, in whatever spelling.

        Raises:
            Violation: something that no voice can have said, told of `who`.
        """
        decoder = self._codec.reply_decoder()
        try:
            frames = decoder.feed(data)
        except ValueError as error:
            raise Violation(f"{who} received bytes that are not of this protocol: {error}") from None
        rest = decoder.pending
        begins = [*(frame.offset for frame in frames), len(data) - len(rest)]
        told = [
            (self._code(frame.body, frame.sender, who), end)
            for frame, end in zip(frames, begins[1:], strict=True)
            if frame.body is not None and not (self._marks_may_come and MARK in frame.body)
        ]
        table = np.array(told, np.int64).reshape(-1, 2)
        return DecodedFrames(table[:, 0].copy(), table[:, 1].copy(), rest)

    def _code(self, body: bytes, sender: str | None, who: str) -> int:
        digits = body[-self._text_bytes :][:DIGITS]
        if digits.isdigit() and (number := int(digits[:SENDER_DIGITS])) < len(self._voices):
            voice = self._voices[number]
            if self._codec.make_body(self._text(digits), voice.topic) == body:
                name = self._codec.name(voice.client)
                if sender not in (None, name):
                    raise Violation(f"{who} received a message of {name!r} as said by {sender!r}")
                return int(digits)  # voice and number side by side are the code
        raise Violation(f"{who} received what nobody has sent: {body[:40]!r}")
