"""Gathers what makes a failure one that can be acted on: transcript, drawing, and a script that shows it again."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from harness.codec import Codec
from harness.conformance.api.room import Room
from harness.conformance.api.trace import Step
from harness.conformance.reproduce.full_script import Symptom, program, script
from harness.conformance.reproduce.transcript import transcript
from harness.errors import Violation
from harness.history.draw import draw
from harness.history.fault import Fault
from harness.model import Evidence
from harness.processes.output import shortened
from harness.servers.process import Server

WIDTH = 72  # of drawings, which stand indented in 80 columns
LINES = 6  # of what a program printed
Programs = Sequence[tuple[Server | None, Sequence[str]]]


@dataclass(frozen=True)
class Found:
    """What a case that failed leaves behind: the evidence, and what it takes to make its script shorter."""

    evidence: Evidence
    steps: tuple[Step, ...]
    symptom: Symptom
    codec: Codec
    title: str
    name: str


def gather(
    error: BaseException, codec: Codec, rooms: Sequence[Room], programs: Programs, *, title: str, name: str
) -> Found:
    """Return what there is to show of a failure.

    Args:
        error: what the case raised.
        rooms: the case's rooms.
        programs: the servers it has started (None for one that did not start) with their arguments.
        title: what the script's docstring begins with.
        name: of the script's file.
    """
    title = textwrap.fill(title, 100)
    violation = error if isinstance(error, Violation) else Violation(str(error))
    fault = violation.fault if isinstance(violation.fault, Fault) else None
    suffers = violation.about[-1] if violation.about else -1
    symptom = Symptom(fault.kind if fault else violation.kind, suffers, violation.body)
    room = next((one for one in reversed(rooms) if one.clients), None)
    if room is None:
        steps: tuple[Step, ...] = ()
        lines, text = _printed(programs), program(programs[-1][1], title=title, name=name) if programs else ""
    else:
        steps = room.journal.steps
        lines = transcript(list(room.journal.chunks), violation.about, fault)
        text = script(steps, symptom, codec, title=title, name=name) if steps else ""
    evidence = Evidence(
        expected=violation.expected,
        transcript=lines,
        drawing=draw(fault, WIDTH) if fault and len(fault.sightings) > 1 else "",
        script=text,
        file=name,
    )
    return Found(evidence, steps, symptom, codec, title, name)


def _printed(programs: Programs) -> str:
    """Return the lines that tell what the last program that was started did."""
    server, arguments = programs[-1] if programs else (None, [])
    if server is None:
        return ""
    out, err = (one.decode(errors="replace").splitlines() for one in (server.stdout.head, server.stderr.tail))
    return "\n".join(
        [
            f"$ {server.name} {' '.join(map(repr, arguments))}",
            *(f"out  {shortened(line, 90)}" for line in out[:LINES]),
            *(f"err  {shortened(line, 90)}" for line in err[-LINES:]),
            server.how_it_ended() if server.status is not None else "it still runs",
        ]
    )
