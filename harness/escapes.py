r"""Bytes as people type and read them: text, and a backslash before what is none.

`\n`, `\r`, `\t`, `\\`, and `\xHH` for any byte. What is printable stands for itself, in UTF-8.
"""

from __future__ import annotations

import re

NAMED = {"\\": "\\", "n": "\n", "r": "\r", "t": "\t"}
SHOWN = {character: f"\\{name}" for name, character in NAMED.items()}
ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|([\\nrt])|)", re.DOTALL)


def to_bytes(text: str) -> bytes:
    """Return the bytes that a typed text means; raise ValueError for a backslash that begins no escape."""
    pieces, at = [], 0
    for found in ESCAPE.finditer(text):
        pieces.append(_utf8(text[at : found.start()]))
        if found[1]:
            pieces.append(bytes.fromhex(found[1]))
        elif found[2]:
            pieces.append(NAMED[found[2]].encode())
        else:
            word = text[found.start() : found.start() + 2]
            raise ValueError(rf"{visible(word)} is no escape: there are \n, \r, \t, \\ and \xHH")
        at = found.end()
    return b"".join([*pieces, _utf8(text[at:])])


def to_text(data: bytes) -> str:
    r"""Return bytes as a text of printable characters, of which `to_bytes` makes the same bytes."""
    return "".join(SHOWN.get(one) or _shown(one) for one in data.decode("utf-8", "surrogateescape"))


def visible(text: str) -> str:
    """Return a text with escapes for all that would do something to a terminal; a backslash stands for itself."""
    if text.isprintable():
        return text
    return "".join("\\" if one == "\\" else SHOWN.get(one) or _shown(one) for one in text)


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return "".join(rf"\x{byte:02x}" for byte in _utf8(character))


def _utf8(text: str) -> bytes:
    # What was read from somewhere and was no UTF-8 is the same bytes again; any other lone surrogate is one still.
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
