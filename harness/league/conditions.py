"""The conditions of a run in sentences: how long it was measured, with how many clients, under which parameters."""

from __future__ import annotations

from collections.abc import Sequence

from harness.blocks import BlockResult
from harness.model import TrialResult


def of_slices(blocks: Sequence[BlockResult]) -> list[str]:
    """Return a sentence about the slices; not every block has all kinds."""
    if not blocks:
        return []
    plans = dict.fromkeys(plan for block in blocks for plan in block.plan)
    kinds = ", ".join(f"{plan.kind} {plan.seconds * 1000:g} ms" for plan in plans)
    seconds = sum(block.seconds for block in blocks)
    return [f"{len(blocks)} blocks in {seconds:.0f} s, {blocks[-1].clients} clients a server; slices: {kinds}"]


def of_trials(trials: Sequence[TrialResult]) -> list[str]:
    """Return a sentence for each other workload: its parameters, and how many blocks had it."""
    sentences = []
    for workload in dict.fromkeys(trial.plan.workload for trial in trials):
        plans = [trial.plan for trial in trials if trial.plan.workload == workload]
        in_common = set.intersection(*(set(plan.parameters.items()) for plan in plans))
        parameters = ", ".join(
            f"{name.replace('_', ' ')} {value:g}"
            for name, value in plans[0].parameters.items()
            if (name, value) in in_common and name != "blocks"
        )
        blocks = len({plan.block for plan in plans})
        sentences.append(f"{workload}: {parameters}; {blocks} block{'' if blocks == 1 else 's'}")
    return sentences


def of_machines(trials: Sequence[TrialResult]) -> list[str]:
    """Return sentences about workloads whose load came from other machines: where it was, and the network between."""
    found: dict[str, list[str]] = {}
    for trial in trials:
        if trial.machine:
            words = (
                f"server on {trial.machine}, load from {', '.join(trial.load_machines)}; "
                f"network between them: {trial.plan.network or 'as it is'}"
            )
            names = found.setdefault(words, [])
            if trial.plan.workload not in names:
                names.append(trial.plan.workload)
    return [f"{', '.join(names)}: {words}" for words, names in found.items()]
