"""What a protocol must offer to clients, swarms and scripts: its bytes, without any I/O."""

from __future__ import annotations

from typing import Protocol


class Decoder(Protocol):
    """Cuts a stream of bytes into bodies, whatever the segments."""

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes of the stream; return the bodies they complete, in order.

        Raises ValueError when the bytes cannot be of this protocol.
        """
        ...

    @property
    def pending(self) -> bytes:
        """The bytes of the message that is not complete yet."""
        ...


class Codec(Protocol):
    """A protocol without its I/O, as clients and swarms need it."""

    @property
    def max_body(self) -> int:
        """The longest body, in bytes."""
        ...

    def encode(self, body: bytes) -> bytes:
        """Return the bytes that send `body`; raise ValueError when it is longer than max_body."""
        ...

    def arrives(self, body: bytes) -> bytes:
        """Return the bytes in which a server delivers `body`."""
        ...

    def decoder(self) -> Decoder:
        """Return a decoder for what a server sends, at the start of a stream."""
        ...

    @property
    def standalone(self) -> str:
        """Python source, standard library only, of `encode(body)` and of `split(data)` -> (bodies, rest of the bytes).

        It goes into scripts that show a failure again without this project.
        """
        ...


def whole_messages(data: bytes, codec: Codec) -> list[bytes]:
    """Return the bodies that are sent by these bytes; none when they are not whole messages and nothing else."""
    decoder = codec.decoder()
    bodies = decoder.feed(data)
    return bodies if not decoder.pending and b"".join(map(codec.encode, bodies)) == data else []
