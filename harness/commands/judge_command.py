"""`harness judge`: is a recorded history lawful."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from pathlib import Path

import click
import numpy as np

from harness.history.draw import as_data, draw
from harness.history.file import read
from harness.history.judge import judge
from harness.history.record import History
from harness.requirements import text as requirements
from harness.zoo.discover import specs_named


@click.command("judge")
@click.argument("history", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--spec", metavar="NAME", help="Tell also which requirement of this spec each fault breaks.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON.")
def command(history: Path, spec: str | None, as_json: bool) -> int:
    """Say whether HISTORY (JSON lines; - for standard input) can be that of a lawful server, and if not why.

    A line is {"client": 0, "event": "send"|"receive", "message": "0.3"}, and may have "at" (seconds) and "offset"
    (bytes), which explanations then tell. Exit status: 0 lawful, 1 not, 2 malformed.
    """
    chosen = specs_named(spec)[0] if spec else None
    found = read(sys.stdin.buffer if str(history) == "-" else history)
    faults = judge(found)
    counts = _counts(found)
    if as_json:
        told = [as_data(fault) | ({"requirement": chosen.faults[fault.kind]} if chosen else {}) for fault in faults]
        data = {"lawful": not faults, **counts, "faults": told}
        print(json.dumps(data, indent=2))
        return 1 if faults else 0
    width = min(100, shutil.get_terminal_size((80, 24)).columns)
    for fault in faults:
        print(f"{fault.kind}: {fault.sentence}\n\n{draw(fault, width)}\n")
        if chosen:
            broken = requirements.of(chosen)[chosen.faults[fault.kind]]
            print(textwrap.fill(f"{broken.id}: {broken.text}", width) + "\n")
    counted = ", ".join(f"{count:,} {name if count != 1 else _one(name)}" for name, count in counts.items())
    if faults:
        print(f"not lawful: {counted}")
    elif not found.events:
        print("lawful: the history is empty")
    else:
        print(f"lawful: {counted}; one order fits them all")
    return 1 if faults else 0


def _counts(history: History) -> dict[str, int]:
    """Return how many clients there are, messages that were sent, and deliveries."""
    return {
        "clients": len(history.events),
        "messages": sum(history.times_sent),
        "deliveries": sum(int((np.asarray(events) >= 0).sum()) for events in history.events),
    }


def _one(names: str) -> str:
    return {"deliveries": "delivery"}.get(names, names.removesuffix("s"))
