"""Draws a fault: its witnesses as columns, each with its own events from top to bottom; and tells it as plain data.

client 0              client 17
--------              ---------
<- m1   81.2 ms       <- m2   80.9 ms
<- m2   81.2 ms       <- m1   80.9 ms  !

! no order has m1 before m2 before m1
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from harness.history.fault import Fault, Sighting, shown

ARROWS = {"send": "->", "receive": "<-"}
GAP = 4
MARK = "  !"
NAME = 24  # characters of a name for which there is always room


def draw(fault: Fault, width: int = 80) -> str:
    """Return a drawing of a fault, at most `width` columns wide, or "" when it has no sightings.

    What stands side by side need not have happened at the same time: each column is in its own order.
    """
    columns: dict[int, list[Sighting]] = {}
    for one in fault.sightings:
        columns.setdefault(one.client, []).append(one)
    if not columns:
        return ""
    # The circle ends with the message with which it began.
    contradicts = [one for one in fault.sightings if one.message == fault.messages[0]][-1]
    narrow = len("-> ") + max(len(shown(one.message, NAME)) for one in fault.sightings) + len(MARK)
    per_band = min(len(columns), max(1, (width + GAP) // (narrow + GAP)))  # the others stand below
    room = (width + GAP) // per_band - GAP
    drawn = [_column(client, events, contradicts, room) for client, events in columns.items()]
    bands = [_side_by_side(drawn[at : at + per_band]) for at in range(0, len(drawn), per_band)]
    return "\n\n".join([*bands, _reason(fault, width)])


def _column(client: int, events: Sequence[Sighting], contradicts: Sighting, room: int) -> list[str]:
    """Return the lines of one client: when there is no room for times and long names, without and shorter."""
    heading = f"client {client}"
    marks = [MARK if one is contradicts else "" for one in events]
    times = ["" if one.at_ns is None else f"{one.at_ns / 1e6:,.1f} ms" for one in events]
    time_room = max(map(len, times))
    name_room = room - len("-> ") - len(MARK) - (time_room + 3 if time_room else 0)
    if name_room < max(len(shown(one.message, NAME)) for one in events):
        time_room, name_room = 0, room - len("-> ") - len(MARK)
    names = [shown(one.message, name_room) for one in events]
    longest = max(map(len, names))
    lines = [
        f"{ARROWS[one.event]} {name:{longest}}" + (f"   {time:>{time_room}}" if time_room else "") + mark
        for one, name, time, mark in zip(events, names, times, marks, strict=True)
    ]
    return [heading, "-" * len(heading), *(line.rstrip() for line in lines)]


def _side_by_side(columns: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, lines)) for lines in columns]
    return "\n".join(
        (" " * GAP).join(f"{text:{room}}" for text, room in zip(row, widths, strict=True)).rstrip()
        for row in zip_longest(*columns, fillvalue="")
    )


def _reason(fault: Fault, width: int) -> str:
    """Return what the marked event contradicts, in a line or two."""
    if len(fault.messages) < 2:
        name = shown(fault.messages[0]) if fault.messages else "it"
        reasons = {
            "created": f"nobody has sent {name}",
            "duplicated": f"one {name} too many",
            "heard before sent": f"{name} is sent only now",
        }
        return f"! {reasons.get(fault.kind, fault.kind)}"[:width]
    names = [shown(name, NAME) for name in (*fault.messages, fault.messages[0])]
    lines = ["! no order has"]
    for word in (names[0], *(f"before {name}" for name in names[1:])):
        if len(lines[-1]) + 1 + len(word) > width:
            lines.append(" ")
        lines[-1] += f" {word}"
    return "\n".join(lines)


def as_data(fault: Fault) -> dict[str, Any]:
    """Return a fault as plain data, for JSON."""
    return dataclasses.asdict(fault)
