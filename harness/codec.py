"""The interface of a protocol for loads, clients, scripts and people: its bytes, without any I/O."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Protocol

import msgspec


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One unit of a protocol, cut out of the stream of one party: a message, or something else, as a reply or a notice.

    Attributes:
        offset: of its first byte in the stream.
        body: the message's body, in the form that `Codec.encode` takes; None if the frame is not a message.
        sender: the name of the message's sender, if the protocol transmits it.
        value: for a frame that is not a message, the protocol's own typed value.
    """

    offset: int
    body: bytes | None
    sender: str | None = None
    value: object = None


class Decoder(Protocol):
    """Cuts a stream of bytes into frames, in whatever segments the bytes arrive."""

    def feed(self, data: bytes) -> list[Frame]:
        """Add the next bytes of the stream; return the frames that they complete, in order.

        Raises:
            ValueError: the bytes cannot be of this protocol.
        """
        ...

    @property
    def pending(self) -> bytes:
        """The bytes of the frame that is not complete yet."""
        ...


class LoadCodec(Protocol):
    """What a load needs of a protocol.

    The harness's clients have numbers, and so have topics; each body belongs to a topic, by default to topic 0.
    """

    @property
    def max_body(self) -> int:
        """The longest body that every server accepts, in bytes."""
        ...

    def name(self, client: int) -> str | None:
        """Return the name under which this client joins; None if the protocol has no names."""
        ...

    def encode_join(self, client: int, topics: Sequence[int] = (0,)) -> bytes:
        """Return the bytes with which a client joins and subscribes to topics; b"" if connecting is enough."""
        ...

    def make_body(self, text: bytes, topic: int = 0) -> bytes:
        """Return the body of a message with this text to a topic."""
        ...

    def encode(self, body: bytes) -> bytes:
        """Return the bytes with which a client sends a message; raise ValueError if the body cannot be sent."""
        ...

    def encode_delivery(self, body: bytes, client: int) -> bytes:
        """Return the canonical encoding of the delivery of a body that this client has sent."""
        ...

    def reply_decoder(self) -> Decoder:
        """Return a decoder for the stream of a server to a client, at its start."""
        ...


class Codec(LoadCodec, Protocol):
    """A protocol without its I/O, as specs have it: for loads, for cases and for scripts."""

    @property
    def is_text(self) -> bool:
        """Whether bodies must be UTF-8; otherwise they are arbitrary bytes."""
        ...

    @property
    def has_topics(self) -> bool:
        """Whether clients subscribe to topics; otherwise there is only topic 0, which all clients receive."""
        ...

    @property
    def announces_clients(self) -> bool:
        """Whether all clients are told of each that joins or leaves: so many clients cost the square of messages."""
        ...

    def request_decoder(self) -> Decoder:
        """Return a decoder for the stream of a client, at its start.

        It never raises: a client may send invalid bytes, which then make no frame.
        """
        ...

    @property
    def standalone_source(self) -> str:
        """Python source, standard library only, of `encode(body)` and of `split(data)` -> (bodies, remaining bytes).

        `split` is used for both directions, and skips frames that are not messages. The source goes into scripts that
        reproduce a failure without this project.
        """
        ...


class Dialect(Protocol):
    """How people use a protocol in a terminal: what they type, and how frames are shown."""

    @property
    def help(self) -> str:
        """A few lines that explain what can be typed."""
        ...

    @property
    def commands(self) -> Sequence[str]:
        """The words with which a typed line can begin; empty if each line is a message."""
        ...

    def greeting(self, name: str) -> bytes:
        """Return the bytes to send as soon as a person of this name has connected."""
        ...

    def request(self, line: str) -> bytes:
        """Return the bytes to send for a typed line.

        Raises:
            ValueError: the line is invalid; the message is shown to the person.
        """
        ...

    def show(self, frame: Frame) -> str:
        """Return a frame of the server as text; "" if there is nothing to show."""
        ...


def bodies_of(frames: Sequence[Frame]) -> list[bytes]:
    """Return the bodies of the frames that are messages."""
    return [frame.body for frame in frames if frame.body is not None]


def random_body(codec: Codec, rng: random.Random, size: int) -> bytes:
    """Return a random body.

    Args:
        codec: the protocol, which decides whether the body must be text.
        rng: the source of randomness.
        size: length in bytes; of a text, the maximum.
    """
    if not codec.is_text:
        return rng.randbytes(size)
    text = "".join(chr(rng.choice((rng.randrange(128), rng.randrange(0xD800)))) for _ in range(size))
    return text.encode()[:size].decode(errors="ignore").encode()


def complete_messages(data: bytes, codec: Codec) -> list[bytes]:
    """Return the bodies of the messages that these bytes send; [] unless they are exactly complete messages."""
    decoder = codec.request_decoder()
    bodies = bodies_of(decoder.feed(data))
    return bodies if not decoder.pending and b"".join(map(codec.encode, bodies)) == data else []
