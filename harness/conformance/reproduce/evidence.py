"""Gathers the evidence of a failure: transcript, drawing, and a script that reproduces it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from harness.codec import Codec
from harness.conformance.api.room import Room
from harness.conformance.api.trace import Step
from harness.conformance.reproduce.full_script import Symptom, full_script, program_script
from harness.conformance.reproduce.transcript import transcript
from harness.errors import Violation
from harness.history.draw import draw
from harness.history.fault import Fault
from harness.model import Evidence
from harness.processes.output import shorten
from harness.servers.process import Server

WIDTH = 72  # columns of a drawing, which is printed indented in 80
LONGEST_TITLE = 2000  # characters
LINES = 6  # shown of a program's output
Programs = Sequence[tuple[Server | None, Sequence[str]]]


@dataclass(frozen=True)
class Failure:
    """The evidence of a case that failed, and what is needed to shorten its script.

    Attributes:
        evidence: what is shown to the user.
        steps: what the clients did.
        symptom: what the script looks for.
        codec: the protocol of the server.
        title: how the script's docstring begins.
        name: the name of the script's file.
    """

    evidence: Evidence
    steps: tuple[Step, ...]
    symptom: Symptom
    codec: Codec
    title: str
    name: str


def gather_failure(
    error: BaseException, codec: Codec, rooms: Sequence[Room], programs: Programs, *, title: str, name: str
) -> Failure:
    """Return the evidence of a failure.

    Args:
        error: what the case raised.
        codec: the protocol of the server.
        rooms: the case's rooms.
        programs: the servers that the case started (None for one that did not start) with their arguments.
        title: how the script's docstring begins.
        name: the name of the script's file.
    """
    title = textwrap.fill(shorten(title, LONGEST_TITLE), 100)
    violation = error if isinstance(error, Violation) else Violation(str(error))
    fault = violation.fault if isinstance(violation.fault, Fault) else None
    affected = violation.clients[-1] if violation.clients else -1
    symptom = Symptom(fault.kind if fault else violation.kind, affected, violation.body)
    room = next((room for room in reversed(rooms) if room.clients), None)
    if room is None:
        steps: tuple[Step, ...] = ()
        lines, text = _printed(programs), program_script(programs[-1][1], title=title, name=name) if programs else ""
    else:
        steps = room.trace.steps
        lines = transcript(list(room.trace.chunks), violation.clients, fault)
        text = full_script(steps, symptom, codec, title=title, name=name) if steps else ""
    evidence = Evidence(
        expected=violation.expected,
        transcript=lines,
        drawing=draw(fault, WIDTH) if fault and len(fault.observations) > 1 else "",
        script=text,
        file=name,
    )
    return Failure(evidence, steps, symptom, codec, title, name)


def _printed(programs: Programs) -> str:
    """Return the command, the output and the end of the program that was started last."""
    server, arguments = programs[-1] if programs else (None, [])
    if server is None:
        return ""
    out, err = (printed.decode(errors="replace").splitlines() for printed in (server.stdout.head, server.stderr.tail))
    return "\n".join(
        [
            f"$ {server.name} {' '.join(map(repr, arguments))}",
            *(f"out  {shorten(line, 90)}" for line in out[:LINES]),
            *(f"err  {shorten(line, 90)}" for line in err[-LINES:]),
            server.exit_description() if server.status is not None else "still running",
        ]
    )
