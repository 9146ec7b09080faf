"""Mosquitto: a broker for MQTT 3.1.1, with messages that are sent at most once (QoS 0)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from harness.plugins import Implementation, Reference, hookimpl
from impls.references.stream import Piece, StreamDecoder

CONFIGURATION = """\
listener {port} {host}
allow_anonymous true
persistence false
set_tcp_nodelay true
log_type error
"""
TOPIC = b"room"
CONNECT, PUBLISH, SUBSCRIBE = 0x10, 0x30, 0x82
CLEAN_SESSION = 2
MAX_LENGTH_BYTES = 4


class MqttCodec:
    """What the load needs of MQTT 3.1.1 (https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/mqtt-v3.1.1.html)."""

    max_body = 60_000

    def name(self, client: int) -> None:
        """Return None: a message does not say who has published it."""

    def encode_join(self, client: int, topics: Sequence[int] = (0,)) -> bytes:
        """Return the packets of a new client, which need not wait for the answers; without keep-alive."""
        connect = string(b"MQTT") + bytes((4, CLEAN_SESSION, 0, 0)) + string(b"c%d" % client)
        return packet(CONNECT, connect) + packet(SUBSCRIBE, bytes((0, 1)) + string(TOPIC) + bytes((0,)))

    def make_body(self, text: bytes, topic: int = 0) -> bytes:
        """Return the text."""
        return text

    def encode(self, body: bytes) -> bytes:
        """Return the packet to publish."""
        return packet(PUBLISH, string(TOPIC) + body)

    def encode_delivery(self, body: bytes, client: int) -> bytes:
        """Return the packet with which it arrives, which is the same."""
        return self.encode(body)

    def reply_decoder(self) -> StreamDecoder:
        """Return a decoder for what the broker sends."""
        return StreamDecoder(piece)


def string(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def packet(kind: int, payload: bytes) -> bytes:
    left, length = len(payload), bytearray()
    while left > 0x7F:
        length.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes((kind, *length, left)) + payload


def piece(data: bytes, at: int) -> Piece | None:
    """Return the packet that begins at `at`: a message, or another one."""
    begin = payload_at(data, at)
    if begin is None or sum(begin) > len(data):
        return None
    payload, end = data[begin[0] : sum(begin)], sum(begin)
    if data[at] == PUBLISH and payload.startswith(string(TOPIC)):
        return Piece(end, payload[len(string(TOPIC)) :])
    return Piece(end, None, (data[at], payload))


def payload_at(data: bytes, at: int) -> tuple[int, int] | None:
    """Return where the payload of the packet at `at` begins, and its length; None if that is not there yet."""
    length = 0
    for place, byte in enumerate(data[at + 1 : at + 1 + MAX_LENGTH_BYTES]):
        length |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return at + 2 + place, length
    if len(data) > at + MAX_LENGTH_BYTES:
        raise ValueError("a length of more than four bytes")
    return None


@hookimpl
def harness_references() -> list[Reference]:
    """Return Mosquitto, as a reference for broadcast."""
    return [
        Reference(
            implementation=Implementation(
                name="mosquitto",
                spec="broadcast",
                language="C",
                style="readiness loop",
                category="tuned",
                summary="Mosquitto, publish and subscribe on one topic (MQTT 3.1.1, QoS 0)",
                run=(sys.executable, str(Path(__file__).with_name("start.py")), CONFIGURATION, "mosquitto", "-c"),
                needs=("command:mosquitto",),
            ),
            codec=MqttCodec(),
        )
    ]
