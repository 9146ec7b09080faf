"""`harness judge`: decides whether a recorded history is lawful."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from pathlib import Path

import click
import numpy as np

from harness.commands import completion, options
from harness.history.draw import as_data, draw
from harness.history.file import read
from harness.history.judge import decide
from harness.history.record import History
from harness.requirements import text as requirements
from harness.zoo.discover import specs_named


@click.command(
    "judge", epilog=options.examples("harness judge history.jsonl", "harness judge - --spec channels < history.jsonl")
)
@click.argument("history", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--spec",
    metavar="NAME",
    shell_complete=completion.specs,
    help="Also name the requirement of this spec that each fault breaks.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON, with all events of each fault.")
def command(history: Path, spec: str | None, as_json: bool) -> int:
    """Decide whether a recorded history is lawful.

    A history is lawful if a conforming server can have produced it; if not, a shortest counterexample is shown.
    HISTORY is a file of JSON lines, or - for standard input. A line is {"client": 0, "event": "send"|"receive",
    "message": "0.3"}, and may have "at" (seconds) and "offset" (bytes), which explanations then show.

    A client is one connection: give every connection a number of its own, or what two of them received looks like
    duplicates. Lines of one client are in its own order; the order of lines of different clients means nothing, and
    neither does "at": clocks that contradict each other never change a verdict.

    Messages may have equal text. If it then cannot be found out whether one order fits, the history is undecided.

    Exit status: 0 lawful, 1 not lawful, 2 malformed, 3 undecided or nothing was delivered.
    """
    chosen = specs_named(spec)[0] if spec else None
    recorded = read(sys.stdin.buffer if str(history) == "-" else history)
    judgement = decide(recorded)
    faults = judgement.faults
    counts = _counts(recorded)
    if faults:
        undecided = ""
    elif not counts["deliveries"]:
        undecided = "nothing was delivered: this proves nothing"
    elif judgement.undecided:
        undecided = f"cannot be decided: {judgement.undecided:,} messages have equal text"
    else:
        undecided = ""
    status = 3 if undecided else 1 if faults else 0
    if as_json:
        records = [as_data(fault) | ({"requirement": chosen.faults[fault.kind]} if chosen else {}) for fault in faults]
        data = {"lawful": None if undecided else not faults, "undecided": undecided, **counts, "faults": records}
        print(json.dumps(data, indent=2))
        return status
    width = min(100, shutil.get_terminal_size((80, 24)).columns)
    for fault in faults:
        print(f"{fault.kind}: {fault.sentence}\n\n{draw(fault, width)}\n")
        if chosen:
            broken = requirements.of(chosen)[chosen.faults[fault.kind]]
            print(textwrap.fill(f"{broken.id}: {broken.text}", width) + "\n")
    numbers = ", ".join(f"{count:,} {name if count != 1 else _singular(name)}" for name, count in counts.items())
    if undecided:
        print(f"{undecided} ({numbers})")
    elif faults:
        print(f"not lawful: {numbers}")
    else:
        print(f"lawful: {numbers}; one order fits them all")
    return status


def _counts(history: History) -> dict[str, int]:
    """Return the numbers of clients, sent messages and deliveries."""
    return {
        "clients": len(history.events),
        "messages": sum(history.send_counts),
        "deliveries": sum(int((np.asarray(events) >= 0).sum()) for events in history.events),
    }


def _singular(names: str) -> str:
    return {"deliveries": "delivery"}.get(names, names.removesuffix("s"))
