"""NATS: publish and subscribe in its own text protocol.

NATS orders the messages of one publisher, and promises nothing about those of several: two subscribers may receive them
in different orders. So the load has one sender here where other servers have four, and "all send" is not measured.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from harness.plugins import Implementation, Reference, hookimpl
from impls.references.stream import Piece, StreamDecoder

CONFIGURATION = """\
listen: "{host}:{port}"
max_connections: 65536
ping_interval: "1h"
"""
SUBJECT = b"room"
LINES = (b"INFO", b"+OK", b"-ERR", b"PING", b"PONG")


class NatsCodec:
    """What the load needs of the client protocol (https://docs.nats.io/reference/reference-protocols/nats-protocol)."""

    max_body = 60_000

    def name(self, client: int) -> None:
        """Return None: a message does not say who has published it."""

    def encode_join(self, client: int, topics: Sequence[int] = (0,)) -> bytes:
        """Return the lines of a new client, which receives what it publishes, too."""
        return b'CONNECT {"verbose":false,"pedantic":false,"echo":true}\r\nSUB %s 1\r\n' % SUBJECT

    def make_body(self, text: bytes, topic: int = 0) -> bytes:
        """Return the text."""
        return text

    def encode(self, body: bytes) -> bytes:
        """Return the line to publish, and the body."""
        return b"PUB %s %d\r\n%s\r\n" % (SUBJECT, len(body), body)

    def encode_delivery(self, body: bytes, client: int) -> bytes:
        """Return the line before a message, and the body."""
        return b"MSG %s 1 %d\r\n%s\r\n" % (SUBJECT, len(body), body)

    def reply_decoder(self) -> StreamDecoder:
        """Return a decoder for what the server sends."""
        return StreamDecoder(piece)


def piece(data: bytes, at: int) -> Piece | None:
    """Return what begins at `at`: a message, or another line."""
    end = data.find(b"\r\n", at)
    if end < 0:
        return None
    line, end = data[at:end], end + 2
    words = line.split()
    if words[:1] == [b"MSG"]:
        last = end + int(words[-1])
        return Piece(last + 2, data[end:last]) if last + 2 <= len(data) else None
    if not words or words[0] not in LINES:
        raise ValueError(f"no line of NATS: {line[:40]!r}")
    return Piece(end, None, line)


@hookimpl
def harness_references() -> list[Reference]:
    """Return NATS, as a reference for broadcast."""
    return [
        Reference(
            implementation=Implementation(
                name="nats",
                spec="broadcast",
                language="Go",
                style="green threads",
                category="tuned",
                summary="NATS, publish and subscribe on one subject",
                run=(sys.executable, str(Path(__file__).with_name("start.py")), CONFIGURATION, "nats-server", "-c"),
                needs=("command:nats-server",),
            ),
            codec=NatsCodec(),
            orders_senders=False,
        )
    ]
