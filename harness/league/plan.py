"""Which trials are made, and in which order: randomised complete blocks.

In each block every server meets every workload once; the order of the servers is random, and the next block
takes it backwards, so that whatever drifts on the machine falls on all alike.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.model import Implementation, Spec, TrialPlan, Workload


@dataclass(frozen=True)
class Profile:
    """How much is measured."""

    name: str
    blocks: int


PROFILES = {one.name: one for one in (Profile("quick", 3), Profile("full", 10), Profile("smoke", 1))}


def plan(
    implementations: Sequence[Implementation],
    specs: Mapping[str, Spec],
    workloads: Mapping[str, Workload],
    profile: Profile,
    seed: int,
) -> list[TrialPlan]:
    """Return the trials of a run in their order."""
    chance = random.Random(seed)
    order = list(implementations)
    trials = []
    for block in range(profile.blocks):
        if block % 2:
            order.reverse()
        else:
            chance.shuffle(order)
        for workload in workloads.values():
            if profile.name not in workload.profiles:
                continue
            if block >= workload.profiles[profile.name].get("blocks", profile.blocks):
                continue
            trials += [
                TrialPlan(
                    block=block,
                    implementation=one.name,
                    spec=one.spec,
                    workload=workload.name,
                    parameters=dict(workload.profiles[profile.name]),
                )
                for one in order
                if workload.suits(specs[one.spec].codec)
            ]
    return trials
