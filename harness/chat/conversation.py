"""One person's conversation with a server, without its I/O: lines in, bytes out, and the other way round."""

from __future__ import annotations

from dataclasses import dataclass

from harness.codec import Codec, Dialect, Frame
from harness.escapes import to_bytes, to_text, visible
from harness.model import Spec

SHORTEST_S, LONGEST_S = 0.25, 15.0  # before it is tried again to connect


@dataclass(frozen=True)
class Plain:
    """The dialect of a protocol that has none of its own: a line is the body of a message."""

    codec: Codec
    help: str = r"A line is a message; \n, \r, \t, \\ and \xHH stand for one byte each."
    words: tuple[str, ...] = ()

    def greeting(self, name: str) -> bytes:
        return self.codec.join(0)

    def request(self, line: str) -> bytes:
        return self.codec.encode(to_bytes(line))

    def show(self, frame: Frame) -> str:
        text = to_text(frame.body) if frame.body is not None else str(frame.note)
        return f"{frame.sender}: {text}" if frame.sender is not None else text


class Conversation:
    """What one person says and hears; it outlives connections.

    Args:
        name: what the person wants to be called, where the protocol has names.
    """

    def __init__(self, spec: Spec, name: str) -> None:
        self.dialect: Dialect = spec.dialect or Plain(spec.codec)
        self._spec, self._name = spec, name
        self._incoming = spec.codec.replies()

    def begin(self) -> bytes:
        """Begin anew on a new connection; return what is sent first. Raise ValueError for a name that cannot be."""
        self._incoming = self._spec.codec.replies()
        return self.dialect.greeting(self._name)

    def say(self, line: str) -> bytes:
        """Return what is sent for a line; raise ValueError with a sentence for whoever typed it."""
        return self.dialect.request(line)

    def hear(self, data: bytes) -> list[str]:
        """Return what these bytes say, a line each, safe on any terminal.

        Raises ValueError when they cannot be of this protocol.
        """
        try:
            frames = self._incoming.feed(data)
        except ValueError as error:
            raise ValueError(f"what came is not of {self._spec.name}: {visible(str(error))}") from None
        shown = ((frame, self.dialect.show(frame)) for frame in frames)
        return [visible(words) for frame, words in shown if words or frame.body == b""]


class Pauses:
    """How long to wait before it is tried again to connect: longer each time that it was of no use."""

    def __init__(self) -> None:
        self._next_s = SHORTEST_S

    def after(self, lived_s: float) -> float:
        """Return the pause in seconds after a connection that has lived for so long; 0 for one that never was."""
        if lived_s > self._next_s:
            self._next_s = SHORTEST_S
        pause, self._next_s = self._next_s, min(2 * self._next_s, LONGEST_S)
        return pause
