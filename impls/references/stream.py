"""Cuts the stream of a product into frames, for the codecs of all references."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from harness.codec import Frame


class Piece(NamedTuple):
    """What begins at a place of the stream.

    Attributes:
        end: where it ends.
        body: of a message; None for what is none.
        value: what it is instead.
    """

    end: int
    body: bytes | None
    value: object = None


class StreamDecoder:
    """Cuts a stream into frames, in whatever segments it arrives.

    Args:
        parse: returns what begins at a place of some bytes, or None if it is not whole yet; raises ValueError for bytes
            that are not of the protocol.
    """

    def __init__(self, parse: Callable[[bytes, int], Piece | None]) -> None:
        self.pending = b""
        self._parse = parse
        self._offset = 0  # of `pending` in the stream

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that these bytes complete."""
        data, frames, at = self.pending + data, list[Frame](), 0
        while at < len(data) and (piece := self._parse(data, at)):
            frames.append(Frame(self._offset + at, piece.body, value=piece.value))
            at = piece.end
        self.pending, self._offset = data[at:], self._offset + at
        return frames
