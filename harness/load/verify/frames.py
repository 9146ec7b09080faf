"""The messages of a load in the encoding of a codec: the templates of their frames, and decoding of all others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from harness.codec import LoadCodec
from harness.errors import Violation
from harness.load.engine.frame_templates import DIGITS, SENDER_DIGITS, FrameTemplate, Int64Array

MIN_TEXT_BYTES = DIGITS
FILLER = b"~"
MARKER = b"mark "  # in the texts of the messages by which clients find out that they have joined, and in no other


class Sender(NamedTuple):
    """A sender of a load: a client that sends to a topic."""

    client: int
    topic: int = 0


class DecodedFrames(NamedTuple):
    """The messages that were decoded from some bytes.

    Attributes:
        codes: of the messages, of shape (n,).
        ends: the offsets at which they end in the bytes, of shape (n,).
        rest: the bytes at the end that are no whole frame.
    """

    codes: Int64Array
    ends: Int64Array
    rest: bytes


class Frames:
    """The messages of some senders.

    Args:
        codec: of the protocol.
        senders: the senders; a sender's number in its messages is its place here.
        text_bytes: the length of every text; MIN_TEXT_BYTES if it is less.
        as_arriving: whether the senders send their messages in the form in which they arrive: for a relay of bytes.
        markers_may_come: whether to ignore messages with MARKER, which else are a fault.

    Attributes:
        templates: the frame template of each sender.
    """

    def __init__(
        self,
        codec: LoadCodec,
        senders: Sequence[Sender],
        text_bytes: int,
        *,
        as_arriving: bool = False,
        markers_may_come: bool = False,
    ) -> None:
        self._codec, self._senders = codec, senders
        self._markers_may_come = markers_may_come
        self._text_bytes = max(text_bytes, MIN_TEXT_BYTES)
        self.templates = [self._template(number, sender, as_arriving) for number, sender in enumerate(senders)]

    def _template(self, number: int, sender: Sender, as_arriving: bool) -> FrameTemplate:
        digits = b"%0*d" % (DIGITS, number * 10 ** (DIGITS - SENDER_DIGITS))
        body = self._codec.make_body(self._text(digits), sender.topic)
        placeholder = b"#" * DIGITS  # found where the digits are, and nowhere else
        marked = self._codec.make_body(self._text(placeholder), sender.topic)
        arriving = self._codec.encode_delivery(body, sender.client)
        arriving_offset = self._codec.encode_delivery(marked, sender.client).index(placeholder)
        if as_arriving:
            return FrameTemplate(sender.client, arriving, arriving_offset, arriving, arriving_offset)
        sent, sent_offset = self._codec.encode(body), self._codec.encode(marked).index(placeholder)
        return FrameTemplate(sender.client, sent, sent_offset, arriving, arriving_offset)

    def _text(self, digits: bytes) -> bytes:
        return digits.ljust(self._text_bytes, FILLER)

    def decode(self, data: bytes, receiver: str) -> DecodedFrames:
        """Decode bytes that begin where a frame does, in whatever encoding the codec allows.

        Args:
            data: the bytes.
            receiver: the client that has received them, for messages.

        Raises:
            Violation: the bytes are no frames, or have a message that no sender of the load can have sent.
        """
        decoder = self._codec.reply_decoder()
        try:
            frames = decoder.feed(data)
        except ValueError as error:
            raise Violation(f"{receiver} received bytes that are not of this protocol: {error}") from None
        rest = decoder.pending
        begins = [*(frame.offset for frame in frames), len(data) - len(rest)]
        rows = [
            (self._code(frame.body, frame.sender, receiver), end)
            for frame, end in zip(frames, begins[1:], strict=True)
            if frame.body is not None and not (self._markers_may_come and MARKER in frame.body)
        ]
        table = np.array(rows, np.int64).reshape(-1, 2)
        return DecodedFrames(table[:, 0].copy(), table[:, 1].copy(), rest)

    def _code(self, body: bytes, name: str | None, receiver: str) -> int:
        digits = body[-self._text_bytes :][:DIGITS]
        if digits.isdigit() and (number := int(digits[:SENDER_DIGITS])) < len(self._senders):
            sender = self._senders[number]
            if self._codec.make_body(self._text(digits), sender.topic) == body:
                right_name = self._codec.name(sender.client)
                if name not in (None, right_name):
                    raise Violation(f"{receiver} received a message of {right_name!r} as sent by {name!r}")
                return int(digits)  # the digits of sender and number, one behind the other, are the code
        raise Violation(f"{receiver} received what no client has sent: {body[:40]!r}")
