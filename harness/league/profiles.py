"""How much a run measures: a profile is a number of blocks, and each workload says what it does in one of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """How much is measured.

    Attributes:
        name: what `--profile` takes.
        blocks: how many blocks of trials a run has.
        attempts: how often a disturbed trial is made; one is enough where the blocks are too few for any comparison.
    """

    name: str
    blocks: int
    attempts: int = 3


PROFILES = {
    profile.name: profile for profile in (Profile("quick", 8), Profile("full", 10), Profile("smoke", 1, attempts=1))
}
