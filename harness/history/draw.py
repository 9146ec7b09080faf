"""Draws a fault, with a column for each client and its events from top to bottom; and returns it as plain data.

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

from harness.history.fault import Fault, Observation, display_name, in_short, left_out, shortened

ARROWS = {"send": "->", "receive": "<-"}
GAP = 4
MARK = "  !"
NAME_WIDTH = 24  # characters of a name that always fit


def draw(fault: Fault, width: int = 80) -> str:
    """Return a drawing of a fault, at most `width` characters wide, or "" if it has no observations.

    Events on the same line need not have happened at the same time: each column is in its own order.
    """
    columns: dict[int, list[Observation]] = {}
    for observation in fault.observations:
        columns.setdefault(observation.client, []).append(observation)
    if not columns:
        return ""
    # A cycle ends with the message with which it begins.
    contradiction = [event for event in fault.observations if event.message == fault.messages[0]][-1]
    hidden = left_out(len(columns))
    shown = [client for at, client in enumerate(columns) if at not in hidden]
    gap = [f"… {len(hidden):,} more", "clients …"]
    longest = max(len(display_name(event.message, NAME_WIDTH)) for client in shown for event in columns[client])
    headings = [_heading(client) for client in shown] + (gap if hidden else [])
    narrowest = max(len("-> ") + longest + len(MARK), *map(len, headings))
    # The other columns are drawn below.
    per_band = min(len(shown) + bool(hidden), max(1, (width + GAP) // (narrowest + GAP)))
    column_width = (width + GAP) // per_band - GAP
    mark = None if fault.equal_messages else contradiction
    drawn = [_column(client, columns[client], mark, column_width) for client in shown]
    if hidden:
        drawn.insert(hidden.start, [shortened(line, column_width) for line in gap])
    bands = [_side_by_side(drawn[at : at + per_band]) for at in range(0, len(drawn), per_band)]
    return "\n\n".join([*bands, _reason(fault, width)])


def _column(client: int, events: Sequence[Observation], contradiction: Observation | None, width: int) -> list[str]:
    """Return the lines of one client; if the width is too small, without times and with shortened names.

    Args:
        client: its number.
        events: what it did.
        contradiction: the event that is marked, if it is one of these.
        width: the most characters of a line.
    """
    heading = shortened(_heading(client), width)
    marks = [MARK if event is contradiction else "" for event in events]
    times = ["" if event.at_ns is None else f"{event.at_ns / 1e6:,.1f} ms" for event in events]
    time_width = max(map(len, times))
    name_width = width - len("-> ") - len(MARK) - (time_width + 3 if time_width else 0)
    if name_width < max(len(display_name(event.message, NAME_WIDTH)) for event in events):
        time_width, name_width = 0, width - len("-> ") - len(MARK)
    names = [display_name(event.message, name_width) for event in events]
    longest = max(map(len, names))
    lines = [
        f"{ARROWS[event.event]} {name:{longest}}" + (f"   {time:>{time_width}}" if time_width else "") + mark
        for event, name, time, mark in zip(events, names, times, marks, strict=True)
    ]
    shown = in_short([line.rstrip() for line in lines], "events")
    return [heading, "-" * len(heading), *(shortened(line, width) for line in shown)]


def _heading(client: int) -> str:
    return f"client {client}"


def _side_by_side(columns: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, lines)) for lines in columns]
    return "\n".join(
        (" " * GAP).join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)).rstrip()
        for row in zip_longest(*columns, fillvalue="")
    )


def _reason(fault: Fault, width: int) -> str:
    """Return what the marked event contradicts, in a line or two."""
    if fault.equal_messages:
        return "! no order fits, whichever of the equal messages is which"[:width]
    if len(fault.messages) < 2:
        name = display_name(fault.messages[0]) if fault.messages else "it"
        reasons = {
            "created": f"no client has sent {name}",
            "duplicated": f"one {name} too many",
            "received before sent": f"{name} is sent only now",
        }
        return f"! {reasons.get(fault.kind, fault.kind)}"[:width]
    hidden = left_out(len(fault.messages))
    name_width = min(NAME_WIDTH, width - len("  before "))
    names = [display_name(name, name_width) for at, name in enumerate(fault.messages) if at not in hidden]
    if hidden:
        names.insert(hidden.start, "…")
    lines = ["! no order has"]
    for word in (names[0], *(f"before {name}" for name in (*names[1:], names[0]))):
        if len(lines[-1]) + 1 + len(word) > width:
            lines.append(" ")
        lines[-1] += f" {word}"
    return "\n".join(lines)


def as_data(fault: Fault) -> dict[str, Any]:
    """Return a fault as plain data for JSON; the key "sightings" holds the observations."""
    data = dataclasses.asdict(fault)
    data["sightings"] = data.pop("observations")
    return data
