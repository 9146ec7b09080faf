r"""Bytes as people type and read them: text in UTF-8, with escapes for bytes that are not printable.

The escapes are `\n`, `\r`, `\t`, `\\`, and `\xHH` for any byte.
"""

from __future__ import annotations

import re

NAMED = {"\\": "\\", "n": "\n", "r": "\r", "t": "\t"}
ESCAPED = {character: f"\\{name}" for name, character in NAMED.items()}
ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|([\\nrt])|)", re.DOTALL)


def to_bytes(text: str) -> bytes:
    """Return the bytes that a typed text stands for; raise ValueError for a backslash that begins no escape."""
    pieces, at = [], 0
    for match in ESCAPE.finditer(text):
        pieces.append(_utf8(text[at : match.start()]))
        if match[1]:
            pieces.append(bytes.fromhex(match[1]))
        elif match[2]:
            pieces.append(NAMED[match[2]].encode())
        else:
            word = text[match.start() : match.start() + 2]
            raise ValueError(rf"{visible(word)} is not an escape: use \n, \r, \t, \\ or \xHH")
        at = match.end()
    return b"".join([*pieces, _utf8(text[at:])])


def to_text(data: bytes) -> str:
    r"""Return bytes as printable text, from which `to_bytes` returns the same bytes."""
    return "".join(
        ESCAPED.get(character) or _escaped(character) for character in data.decode("utf-8", "surrogateescape")
    )


def visible(text: str) -> str:
    """Return a text with escapes for all characters that could control a terminal; backslashes are not escaped."""
    if text.isprintable():
        return text
    return "".join("\\" if character == "\\" else ESCAPED.get(character) or _escaped(character) for character in text)


def visible_lines(text: str) -> str:
    """Return a text with escapes as those of `visible`, but with its line ends."""
    return "\n".join(map(visible, text.split("\n")))


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    return "".join(rf"\x{byte:02x}" for byte in _utf8(character))


def _utf8(text: str) -> bytes:
    # Bytes that were decoded with surrogateescape come out unchanged; other lone surrogates are kept as surrogates.
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
