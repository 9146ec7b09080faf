"""What went over the wire before a failure, cut to what matters, as lines of text.

client     ms     byte  bytes
c1 →     81.2    5,120  04 34 2e 31 37            ·4.17
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from harness.conformance.api.trace import Chunk
from harness.history.fault import Fault, Observation

LINES = 14
AROUND = 2  # chunks before and after each observation
SHOWN_BYTES = 12


def transcript(chunks: Sequence[Chunk], clients: Collection[int], fault: Fault | None) -> str:
    """Return the lines around the observations of a fault, or without one the last lines.

    Args:
        chunks: what all clients sent and received, in order of time.
        clients: the clients whose lines are shown; empty for all.
        fault: the fault, where there is one.
    """
    shown = [chunk for chunk in chunks if not clients or chunk.client in clients]
    observations = [seen for seen in fault.observations if seen.at_ns is not None] if fault else []
    places = _around(shown, observations) if observations else range(max(0, len(shown) - LINES), len(shown))
    lines, before = [], -1
    for place in places:
        if place != before + 1:
            lines.append("…")
        chunk = shown[place]
        lines.append(_line(chunk))
        lines += [_inside(seen) for seen in observations if _holds(chunk, seen) and _is_cut_off(chunk, seen)]
        before = place
    if before + 1 < len(shown):
        lines.append("…")
    return "\n".join([_heading(), *lines]) if lines else ""


def _around(chunks: Sequence[Chunk], observations: Iterable[Observation]) -> list[int]:
    """Return the places of the chunks that hold an observation, and of their neighbours."""
    wanted: set[int] = set()
    for seen in observations:
        for place, chunk in enumerate(chunks):
            if _holds(chunk, seen):
                wanted.update(range(max(0, place - AROUND), min(len(chunks), place + AROUND + 1)))
                break
    return sorted(wanted)[: 3 * LINES]


def _holds(chunk: Chunk, seen: Observation) -> bool:
    stream = (seen.client, "→" if seen.event == "send" else "←")
    return (chunk.client, chunk.direction) == stream and 0 <= (seen.offset or 0) - chunk.offset < chunk.size


def _is_cut_off(chunk: Chunk, seen: Observation) -> bool:
    return (seen.offset or 0) - chunk.offset >= SHOWN_BYTES


def _inside(seen: Observation) -> str:
    return f"{'':18}{seen.offset:11,}  … {seen.message}"


def _heading() -> str:
    return f"{'client':8}{'ms':>9} {'byte':>11}  bytes"


def _line(chunk: Chunk) -> str:
    client, time = f"c{chunk.client}", f"{chunk.at_ns / 1e6:9.1f} "
    if not chunk.size:
        return f"{client:8}{time}{'':11}  {chunk.direction}"
    head = chunk.head[:SHOWN_BYTES]
    more = f"… {chunk.size:,} bytes" if chunk.size > len(head) else ""
    begin = f"{f'{client} {chunk.direction}':8}{time}{chunk.offset:11,}"
    return f"{begin}  {head.hex(' '):{3 * SHOWN_BYTES}}{_text(head)}{more}"


def _text(data: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else "·" for byte in data)
