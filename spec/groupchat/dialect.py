"""Groupchat in a terminal: each line is sent to all, and each reply is shown as a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.codec import Frame
from spec.groupchat.messages import Join, Joined, Left, Refused, Say, Welcome
from spec.groupchat.wire import encode_request

RENAME = "/join "


@dataclass(frozen=True)
class GroupchatDialect:
    """The client joins when it connects; if its name is refused, `/join NAME` tries another."""

    help: str = (
        "Each line is sent to everybody in the room.\n/join NAME  join under another name, if the first was refused"
    )
    commands: Sequence[str] = (RENAME,)

    def greeting(self, name: str) -> bytes:
        """Return the Join with this name."""
        return encode_request(Join(name))

    def request(self, line: str) -> bytes:
        """Return the Say or Join for a typed line; raise ValueError when the text or the name is invalid."""
        if line.startswith(RENAME):
            return encode_request(Join(line.removeprefix(RENAME).strip()))
        return encode_request(Say(line))

    def show(self, frame: Frame) -> str:
        """Return a reply as text."""
        match frame.value:
            case Welcome(names):
                return f"here: {', '.join(sorted(names))}" if names else "nobody else is here"
            case Refused(reason):
                return f"refused: {reason}"
            case Joined(name):
                return f"{name} joined"
            case Left(name):
                return f"{name} left"
        return "" if frame.body is None else f"{frame.sender}: {frame.body.decode(errors='replace')}"


DIALECT = GroupchatDialect()
