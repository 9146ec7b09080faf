"""How much a run measures: a profile is a number of blocks of slices, and whether other workloads run as well."""

from __future__ import annotations

from dataclasses import dataclass

from harness.blocks import SlicePlan


@dataclass(frozen=True)
class Profile:
    """How much is measured.

    Attributes:
        name: what `--profile` takes.
        blocks: how many blocks of slices each spec gets, after its first pass.
        rounds: how many rounds of slices a block has.
        slices: the kinds of slices.
        clients: how many clients each server has.
        idle_clients: with how many idle clients its memory is measured.
        other_workloads: whether the workloads run that no rank depends on, where the user names none.
        trial_blocks: how many blocks of trials such a workload has, where it does not say it.
        attempts: how often a disturbed trial is made; one is enough where the blocks are too few for any comparison.
    """

    name: str
    blocks: int
    rounds: int
    slices: tuple[SlicePlan, ...]
    clients: int = 100
    idle_clients: int = 1000
    other_workloads: bool = False
    trial_blocks: int = 1
    attempts: int = 1


# From the measured components of variance (Kalibera and Jones 2013): see docs/league_statistics.md.
SLICES = (SlicePlan("few", 0.02), SlicePlan("all", 0.02), SlicePlan("single", 0.02), SlicePlan("paced", 0.15, every=6))
SHORT = (SlicePlan("few", 0.02), SlicePlan("all", 0.02), SlicePlan("single", 0.02), SlicePlan("paced", 0.1))

PROFILES = {
    profile.name: profile
    for profile in (
        Profile("quick", 12, 6, SLICES),
        Profile("full", 24, 6, SLICES, other_workloads=True, trial_blocks=6, attempts=3),
        Profile("smoke", 1, 1, SHORT, clients=20, idle_clients=50, other_workloads=True),
    )
}
IDLE_BLOCKS = 6  # of each spec measure memory: it hardly varies, and six are enough for significance
PACED_EVERY = 2  # blocks after those: a schedule takes as long as the floods of two rounds
