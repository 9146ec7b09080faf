"""What people and servers say to each other in `groupchat`, as types; README.md tells when.

A frame has the length of its payload in two bytes, the higher one first, and then the payload: one value in the binary
format of `serdy`. The order of the unions is that of their tags, so nothing here may change places.

The rules for names and texts stand in the types: `loads(payload, Request)` raises DecodeError for whatever
a server must refuse because of what it is, and `Join(name)` raises ValueError.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_NAME = 32  # code points
MAX_TEXT = 32_768  # bytes of UTF-8
CONTROL = {*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0))}  # Unicode's category Cc, all of it and for ever


@dataclass(frozen=True)
class Join:
    """I want to be called this, and to be in the room."""

    name: str

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= MAX_NAME:
            raise ValueError(f"a name has 1 to {MAX_NAME} characters, this one has {len(self.name)}")
        if not CONTROL.isdisjoint(self.name):
            raise ValueError("a name has no control characters")


@dataclass(frozen=True)
class Say:
    """I say this, to everybody."""

    text: str

    def __post_init__(self) -> None:
        if len(self.text) * 4 > MAX_TEXT and (size := len(self.text.encode())) > MAX_TEXT:
            raise ValueError(f"a text has at most {MAX_TEXT:,} bytes, this one has {size:,}")


@dataclass(frozen=True)
class Welcome:
    """You are in the room, and these were there before you, in any order."""

    names: list[str]


@dataclass(frozen=True)
class Refused:
    """What you asked for is not done; why, in words for people."""

    reason: str


@dataclass(frozen=True)
class Joined:
    """Somebody else is in the room from now on."""

    name: str


@dataclass(frozen=True)
class Left:
    """Somebody else has gone, and the name is free again."""

    name: str


@dataclass(frozen=True)
class Said:
    """Somebody, perhaps you, says this."""

    name: str
    text: str


Request = Join | Say
Reply = Welcome | Refused | Joined | Left | Said
