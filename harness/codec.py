"""What a protocol must offer to clients, swarms, scripts and people: its bytes, without any I/O."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Frame(NamedTuple):
    """What one party says at once, cut out of its stream.

    Attributes:
        begins: the offset of its first byte in the stream.
        body: of a message, in the form in which `Codec.encode` takes it; None for what is no message.
        sender: who said it, where the protocol tells.
        note: for what is no message, as a reply or a notice: the typed value of the protocol.
    """

    begins: int
    body: bytes | None
    sender: str | None = None
    note: object = None


class Decoder(Protocol):
    """Cuts a stream of bytes into frames, whatever the segments."""

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes of the stream; return the frames they complete, in order.

        Raises ValueError when the bytes cannot be of this protocol.
        """
        ...

    @property
    def pending(self) -> bytes:
        """The bytes of the frame that is not complete yet."""
        ...


class Codec(Protocol):
    """A protocol without its I/O, as clients and swarms need it.

    A client of the harness has a number, and a body belongs to a topic: number 0 unless something else is said.
    """

    @property
    def max_body(self) -> int:
        """The longest body that every server takes, in bytes."""
        ...

    @property
    def is_text(self) -> bool:
        """Whether bodies are UTF-8, and not any bytes."""
        ...

    @property
    def has_topics(self) -> bool:
        """Whether clients choose what they hear by topics; else there is topic 0 alone."""
        ...

    def name(self, client: int) -> str | None:
        """Return what this client calls itself; None where the protocol knows no names."""
        ...

    def join(self, client: int, topics: Sequence[int] = (0,)) -> bytes:
        """Return what a client sends first, to hear these topics; b"" where connecting is enough."""
        ...

    def body(self, text: bytes, topic: int = 0) -> bytes:
        """Return the body of a message with this text to a topic."""
        ...

    def encode(self, body: bytes) -> bytes:
        """Return the bytes that send `body`; raise ValueError when there are none."""
        ...

    def arrives(self, body: bytes, client: int) -> bytes:
        """Return the bytes in which a server usually delivers `body`, sent by this client."""
        ...

    def requests(self) -> Decoder:
        """Return a decoder for what a client sends, at the start of its stream.

        It never raises: a client may send what is not of the protocol, and that is then no frame.
        """
        ...

    def replies(self) -> Decoder:
        """Return a decoder for what a server sends, at the start of a stream."""
        ...

    @property
    def standalone(self) -> str:
        """Python source, standard library only, of `encode(body)` and of `split(data)` -> (bodies, rest of the bytes).

        `split` serves for both directions, and leaves out what is no message. The source goes into scripts that
        show a failure again without this project.
        """
        ...


class Dialect(Protocol):
    """How people speak a protocol in a terminal."""

    @property
    def help(self) -> str:
        """A few lines that tell what can be typed."""
        ...

    @property
    def words(self) -> Sequence[str]:
        """What a line may begin with; empty where a line is a message."""
        ...

    def greeting(self, name: str) -> bytes:
        """Return what is sent as soon as somebody of this name has connected."""
        ...

    def request(self, line: str) -> bytes:
        """Return what is sent for a line that was typed; raise ValueError with a sentence for whoever typed it."""
        ...

    def show(self, frame: Frame) -> str:
        """Return what a server said, in words; "" when there is nothing to show."""
        ...


def bodies_of(frames: Sequence[Frame]) -> list[bytes]:
    """Return the bodies of those frames that are messages."""
    return [frame.body for frame in frames if frame.body is not None]


def random_body(codec: Codec, chance: random.Random, size: int) -> bytes:
    """Return a body of this many random bytes, or of random text of at most as many."""
    if not codec.is_text:
        return chance.randbytes(size)
    text = "".join(chr(chance.choice((chance.randrange(128), chance.randrange(0xD800)))) for _ in range(size))
    return text.encode()[:size].decode(errors="ignore").encode()


def whole_messages(data: bytes, codec: Codec) -> list[bytes]:
    """Return the bodies that are sent by these bytes; none when they are not whole messages and nothing else."""
    decoder = codec.requests()
    bodies = bodies_of(decoder.feed(data))
    return bodies if not decoder.pending and b"".join(map(codec.encode, bodies)) == data else []
