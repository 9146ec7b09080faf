"""The conditions of a run in sentences: how long it was measured, with how many clients, under which parameters."""

from __future__ import annotations

from collections.abc import Sequence

from harness.blocks import BlockResult
from harness.model import TrialResult


def of_slices(blocks: Sequence[BlockResult]) -> list[str]:
    """Return a sentence about the slices, where all blocks have the same."""
    if not blocks:
        return []
    kinds = ", ".join(f"{plan.kind} {plan.seconds * 1000:g} ms" for plan in blocks[-1].plan)
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
