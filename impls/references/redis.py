"""Redis: publish and subscribe, in its own protocol (RESP3), in which a subscriber may publish as well."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from harness.plugins import Implementation, Reference, hookimpl
from impls.references.stream import Piece, StreamDecoder

CONFIGURATION = """\
bind {host}
port {port}
save ""
appendonly no
protected-mode no
"""
CHANNEL = b"room"
PUSH = 3  # the place of the body in ["message", channel, body]


class RedisCodec:
    """What the load needs of RESP3 (https://redis.io/docs/latest/develop/reference/protocol-spec/)."""

    max_body = 60_000

    def name(self, client: int) -> None:
        """Return None: a message does not say who has published it."""

    def encode_join(self, client: int, topics: Sequence[int] = (0,)) -> bytes:
        """Return the requests of a new client; after them it gets messages only, no replies to what it publishes."""
        return request(b"HELLO", b"3") + request(b"SUBSCRIBE", CHANNEL) + request(b"CLIENT", b"REPLY", b"OFF")

    def make_body(self, text: bytes, topic: int = 0) -> bytes:
        """Return the text."""
        return text

    def encode(self, body: bytes) -> bytes:
        """Return the request to publish."""
        return request(b"PUBLISH", CHANNEL, body)

    def encode_delivery(self, body: bytes, client: int) -> bytes:
        """Return the push with a message."""
        return b">3\r\n" + b"".join(map(bulk, (b"message", CHANNEL, body)))

    def reply_decoder(self) -> StreamDecoder:
        """Return a decoder for what the server sends."""
        return StreamDecoder(piece)


def request(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(map(bulk, words))


def bulk(data: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(data), data)


class Unfinished(Exception):
    """The value goes on in bytes that have not come yet."""


def piece(data: bytes, at: int) -> Piece | None:
    """Return the value that begins at `at`: a message, or another one."""
    try:
        value, end = parse(data, at)
    except Unfinished:
        return None
    if isinstance(value, list) and len(value) == PUSH and value[:2] == [b"message", CHANNEL]:
        body = value[2]
        if isinstance(body, bytes):
            return Piece(end, body)
    return Piece(end, None, value)


Value = bytes | list["Value"] | None


def parse(data: bytes, at: int) -> tuple[Value, int]:
    """Return the value that begins at `at`, and where it ends."""
    end = data.find(b"\r\n", at)
    if end < 0:
        raise Unfinished
    kind, word, at = data[at : at + 1], data[at + 1 : end], end + 2
    if kind in b"+-:,#_(":
        return word, at
    if kind not in b"$=!*~>%":
        raise ValueError(f"no value of RESP3 begins with {kind!r}")
    count = int(word)
    if kind in b"$=!":
        if count < 0:
            return None, at
        if at + count + 2 > len(data):
            raise Unfinished
        return data[at : at + count], at + count + 2
    values: list[Value] = []
    for _ in range(2 * count if kind == b"%" else count):
        value, at = parse(data, at)
        values.append(value)
    return values, at


@hookimpl
def harness_references() -> list[Reference]:
    """Return Redis, as a reference for broadcast."""
    return [
        Reference(
            implementation=Implementation(
                name="redis",
                spec="broadcast",
                language="C",
                style="readiness loop",
                category="tuned",
                summary="Redis, publish and subscribe on one channel (RESP3)",
                run=(sys.executable, str(Path(__file__).with_name("start.py")), CONFIGURATION, "redis-server"),
                needs=("command:redis-server",),
            ),
            codec=RedisCodec(),
        )
    ]
