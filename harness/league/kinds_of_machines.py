"""The parts of a run that several kinds of machines made: each kind is shown apart as well as pooled.

Pooled they may be, because servers are compared within blocks only, and each block is on one machine: what a machine
does to all servers alike cancels. What it does to one server more than to another is noise between blocks.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.blocks import BlockResult, Role
from harness.model import Run


def by_kind(run: Run) -> list[tuple[str, Run]]:
    """Return for each kind of machine its description and the part of the run; [] where not several made blocks."""
    kinds: dict[str, list[str]] = {}
    for name, machine in run.info.machines.items():
        kinds.setdefault(machine.kind, []).append(name)
    if len(kinds) < 2 or not run.blocks:
        return []
    return [
        (
            f"{', '.join(names)} ({kind})",
            Run(run.info, run.cases, run.trials, [block for block in run.blocks if block.machine in names]),
        )
        for kind, names in kinds.items()
    ]


def where_measured(blocks: Sequence[BlockResult]) -> list[str]:
    """Return sentences about which machine made how many blocks, and which servers are not on all of them."""
    machines = sorted({block.machine for block in blocks if block.machine})
    if not machines:
        return []
    counts = ", ".join(f"{name} {sum(block.machine == name for block in blocks)}" for name in machines)
    sentences = [f"blocks by machine: {counts}; servers are compared within each machine only"]
    by_server: dict[str, set[str]] = {}
    for block in blocks:
        for entry in block.entries:
            if entry.role is Role.SERVER:
                by_server.setdefault(entry.name, set()).add(block.machine)
    for server, on in sorted(by_server.items()):
        if len(on) < len(machines):
            sentences.append(f"{server} was measured only on {', '.join(sorted(on))}")
    return sentences
