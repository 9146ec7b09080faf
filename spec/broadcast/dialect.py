r"""Broadcast in a terminal: each line is a message, with `\xHH` for bytes that cannot be typed."""

from __future__ import annotations

from dataclasses import dataclass

from harness.codec import Frame
from harness.escapes import to_bytes, to_text
from spec.broadcast.wire import MAX_BODY, encode


@dataclass(frozen=True)
class BroadcastDialect:
    """Each typed line is a message to all clients; messages are shown without a sender, since clients have no names."""

    help: str = (
        f"Each line is a message to all clients, including you, of at most {MAX_BODY} bytes;\n"
        r"\n, \r, \t, \\ and \xHH stand for one byte each."
    )
    commands: tuple[str, ...] = ()

    def greeting(self, name: str) -> bytes:
        """Return b"": a client joins by connecting."""
        return b""

    def request(self, line: str) -> bytes:
        """Return the message for a typed line; raise ValueError when it is too long or has an invalid escape."""
        body = to_bytes(line)
        if len(body) > MAX_BODY:
            raise ValueError(f"too long: a message has at most {MAX_BODY} bytes, this one has {len(body)}")
        return encode(body)

    def show(self, frame: Frame) -> str:
        """Return the body of a message, with escapes for bytes that are not printable."""
        return to_text(frame.body or b"")


DIALECT = BroadcastDialect()
