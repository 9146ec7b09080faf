r"""How people speak broadcast in a terminal: a line is a message, with `\xHH` for bytes that cannot be typed."""

from __future__ import annotations

from dataclasses import dataclass

from harness.codec import Frame
from harness.escapes import to_bytes, to_text
from spec.broadcast.wire import MAX_BODY, encode


@dataclass(frozen=True)
class BroadcastDialect:
    """Every line is said to everybody, and everybody's messages are heard, one's own too; nobody has a name."""

    help: str = (
        f"A line is a message to everybody, you too. It has at most {MAX_BODY} bytes;\n"
        r"\n, \r, \t, \\ and \xHH stand for one byte each."
    )
    commands: tuple[str, ...] = ()

    def greeting(self, name: str) -> bytes:
        return b""

    def request(self, line: str) -> bytes:
        body = to_bytes(line)
        if len(body) > MAX_BODY:
            raise ValueError(f"too long: a message has at most {MAX_BODY} bytes, this one has {len(body)}")
        return encode(body)

    def show(self, frame: Frame) -> str:
        return to_text(frame.body or b"")


DIALECT = BroadcastDialect()
