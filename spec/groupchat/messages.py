"""The requests and replies of `groupchat` as types; README.md describes when they are sent.

A frame has the length of its payload in two bytes, high byte first, and then the payload: one value in the binary
format of `serdy`. The tag of a type is its position in its union, so the order of the unions must not change.

The types enforce the rules for names and texts: `loads(payload, Request)` raises DecodeError for whatever a server
must refuse because of its content, and `Join(name)` raises ValueError.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_NAME = 32  # code points
MAX_TEXT = 32_768  # bytes of UTF-8
CONTROL = {*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0))}  # all of Unicode's category Cc, which never changes


@dataclass(frozen=True)
class Join:
    """Asks to join the room under this name."""

    name: str

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= MAX_NAME:
            raise ValueError(f"a name has 1 to {MAX_NAME} characters, this one has {len(self.name)}")
        if not CONTROL.isdisjoint(self.name):
            raise ValueError("a name has no control characters")


@dataclass(frozen=True)
class Say:
    """Sends a text to everybody in the room."""

    text: str

    def __post_init__(self) -> None:
        if len(self.text) * 4 > MAX_TEXT and (size := len(self.text.encode())) > MAX_TEXT:
            raise ValueError(f"a text has at most {MAX_TEXT:,} bytes, this one has {size:,}")


@dataclass(frozen=True)
class Welcome:
    """Answers a Join: the client is in the room, and these were there before it, in any order."""

    names: list[str]


@dataclass(frozen=True)
class Refused:
    """Answers a request that was refused, with the reason in words for people."""

    reason: str


@dataclass(frozen=True)
class Joined:
    """Notifies that somebody else is in the room from now on."""

    name: str


@dataclass(frozen=True)
class Left:
    """Notifies that somebody else has left, and that the name is free again."""

    name: str


@dataclass(frozen=True)
class Said:
    """Delivers a text with the name of its sender, who may be the receiver."""

    name: str
    text: str


Request = Join | Say
Reply = Welcome | Refused | Joined | Left | Said
