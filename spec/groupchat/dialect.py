"""The group chat in a terminal: a line is said to everybody, and what comes is told in a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.codec import Frame
from spec.groupchat.messages import Join, Joined, Left, Refused, Say, Welcome
from spec.groupchat.wire import encode_request

RENAME = "/join "


@dataclass(frozen=True)
class GroupchatDialect:
    """Connecting asks for a name; if it is taken, `/join NAME` asks for another."""

    help: str = "A line is said to everybody in the room.\n/join NAME  asks for a name, where the first one was refused"
    commands: Sequence[str] = (RENAME,)

    def greeting(self, name: str) -> bytes:
        return encode_request(Join(name))

    def request(self, line: str) -> bytes:
        if line.startswith(RENAME):
            return encode_request(Join(line.removeprefix(RENAME).strip()))
        return encode_request(Say(line))

    def show(self, frame: Frame) -> str:
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
