"""What went over the wire before a failure, cut to what matters, as lines for people.

client     ms     byte  bytes
c1 →     81.2    5,120  04 34 2e 31 37            ·4.17
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from harness.conformance.api.trace import Chunk
from harness.history.judge import Fault, Sighting

LINES = 14
AROUND = 2  # chunks before and after each sighting
SHOWN_BYTES = 12


def transcript(chunks: Sequence[Chunk], about: Collection[int], fault: Fault | None) -> str:
    """Return the lines that matter: around what a fault tells of, or the last ones of the clients it is about.

    Args:
        chunks: of all clients, in order of time.
        about: the clients that matter; empty for all.
        fault: with its sightings, where there is one.
    """
    mine = [one for one in chunks if not about or one.client in about]
    sighted = [one for one in fault.sightings if one.at_ns is not None] if fault else []
    places = _around(mine, sighted) if sighted else range(max(0, len(mine) - LINES), len(mine))
    lines, before = [], -1
    for place in places:
        if place != before + 1:
            lines.append("…")
        lines.append(_line(mine[place]))
        lines += [_inside(one) for one in sighted if _holds(mine[place], one) and _is_behind(mine[place], one)]
        before = place
    if before + 1 < len(mine):
        lines.append("…")
    return "\n".join([_heading(), *lines]) if lines else ""


def _around(chunks: Sequence[Chunk], sighted: Iterable[Sighting]) -> list[int]:
    """Return the places of the chunks in which a fault was seen, and of their neighbours."""
    wanted: set[int] = set()
    for one in sighted:
        for place, chunk in enumerate(chunks):
            if _holds(chunk, one):
                wanted.update(range(max(0, place - AROUND), min(len(chunks), place + AROUND + 1)))
                break
    return sorted(wanted)[: 3 * LINES]


def _holds(chunk: Chunk, one: Sighting) -> bool:
    way = "→" if one.event == "send" else "←"
    return (chunk.client, chunk.way) == (one.client, way) and 0 <= (one.offset or 0) - chunk.offset < chunk.size


def _is_behind(chunk: Chunk, one: Sighting) -> bool:
    return (one.offset or 0) - chunk.offset >= SHOWN_BYTES


def _inside(one: Sighting) -> str:
    return f"{'':18}{one.offset:11,}  … {one.message}"


def _heading() -> str:
    return f"{'client':8}{'ms':>9} {'byte':>11}  bytes"


def _line(one: Chunk) -> str:
    start = f"c{one.client}"
    time = f"{one.at_ns / 1e6:9.1f} "
    if not one.size:
        return f"{start:8}{time}{'':11}  {one.way}"
    shown = one.head[:SHOWN_BYTES]
    more = f"… {one.size:,} bytes" if one.size > len(shown) else ""
    return f"{f'{start} {one.way}':8}{time}{one.offset:11,}  {shown.hex(' '):{3 * SHOWN_BYTES}}{_text(shown)}{more}"


def _text(data: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else "·" for byte in data)
