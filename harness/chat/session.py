"""A chat session without its I/O: turns typed lines into bytes to send, and received bytes into lines to show."""

from __future__ import annotations

from dataclasses import dataclass

from harness.codec import Codec, Dialect, Frame
from harness.escapes import to_bytes, to_text, visible
from harness.model import Spec

SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 15.0  # between attempts to connect


@dataclass(frozen=True)
class PlainDialect:
    """The dialect of a protocol that has none of its own: a line is the body of a message.

    Attributes:
        codec: the protocol.
        help: what can be typed.
        commands: none, because every line is a message.
    """

    codec: Codec
    help: str = r"A line is a message; \n, \r, \t, \\ and \xHH stand for one byte each."
    commands: tuple[str, ...] = ()

    def greeting(self, name: str) -> bytes:
        """Return the bytes that join; the name is not used."""
        return self.codec.encode_join(0)

    def request(self, line: str) -> bytes:
        """Return the bytes that send a line as a message; raise ValueError for a wrong escape."""
        return self.codec.encode(to_bytes(line))

    def show(self, frame: Frame) -> str:
        """Return the text of a message, after the name of its sender if there is one."""
        text = to_text(frame.body) if frame.body is not None else str(frame.value)
        return f"{frame.sender}: {text}" if frame.sender is not None else text


class ChatSession:
    """The chat of one user with a server, over one connection after another.

    Args:
        spec: the protocol.
        name: the name of the user, for protocols with names.
    """

    def __init__(self, spec: Spec, name: str) -> None:
        self.dialect: Dialect = spec.dialect or PlainDialect(spec.codec)
        self._spec, self._name = spec, name
        self._incoming = spec.codec.reply_decoder()

    def start(self) -> bytes:
        """Start on a new connection; return the first bytes to send.

        Raises:
            ValueError: the protocol does not allow the user's name.
        """
        self._incoming = self._spec.codec.reply_decoder()
        return self.dialect.greeting(self._name)

    def encode(self, line: str) -> bytes:
        """Return the bytes to send for a typed line.

        Raises:
            ValueError: the line cannot be sent; the message is a sentence for the user.
        """
        return self.dialect.request(line)

    def decode(self, data: bytes) -> list[str]:
        """Return the lines to show for received bytes, safe for any terminal.

        Raises:
            ValueError: the bytes do not follow the protocol.
        """
        try:
            frames = self._incoming.feed(data)
        except ValueError as error:
            raise ValueError(f"received bytes that are not {self._spec.name}: {visible(str(error))}") from None
        shown = ((frame, self.dialect.show(frame)) for frame in frames)
        return [visible(text) for frame, text in shown if text or frame.body == b""]


class Backoff:
    """Exponential backoff between attempts to connect."""

    def __init__(self) -> None:
        self._next_s = SHORTEST_PAUSE_S

    def pause_after(self, lived_s: float) -> float:
        """Return the pause in seconds before the next attempt.

        Args:
            lived_s: how long the last connection lived, in seconds; 0 if it could not be opened.
        """
        if lived_s > self._next_s:
            self._next_s = SHORTEST_PAUSE_S
        pause, self._next_s = self._next_s, min(2 * self._next_s, LONGEST_PAUSE_S)
        return pause
