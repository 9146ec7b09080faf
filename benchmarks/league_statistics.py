"""Whether the league's statistics keep what they claim: simulated leagues of which the truth is known.

    python -m benchmarks.league_statistics                    2000 leagues of every kind: about twenty minutes
    python -m benchmarks.league_statistics --leagues 200      the same, less sure

A league is simulated as logarithms of figures, blocks × servers: a level for each server, a noise for each trial, of
size 1, and a shift for each block, which must cancel. Prints a Markdown table with, in percent of the leagues:

- error: somebody was told to be better than a server that is equal to it, or better than it;
- outside: some true difference was outside its interval;

with twice the standard error of the simulation behind each; and in percent of the pairs

- power: of those that differ by twice the noise of a trial, how many were told.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.league.comparisons import Comparisons, Entry, compare, undecided
from harness.league.profiles import PROFILES

Floats = NDArray[np.float64]
Noise = Callable[[np.random.Generator, tuple[int, int]], Floats]

STEP = 2.0  # between levels that differ, in noises of a trial
MISSING = 0.05  # of the trials, in leagues with holes
SHIFT = 5.0  # of a block


def _spikes(chance: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Normal, but one trial in twelve was slowed down, some of them much."""
    return chance.normal(size=shape) - (chance.random(shape) < 1 / 12) * chance.exponential(15, shape)


NOISES: dict[str, Noise] = {
    "normal": lambda chance, shape: chance.normal(size=shape),
    "t, 3 degrees": lambda chance, shape: chance.standard_t(3, shape),
    "t, 1.5 degrees": lambda chance, shape: chance.standard_t(1.5, shape),
    "spikes downwards": _spikes,
    "one-sided": lambda chance, shape: 1 - chance.exponential(size=shape),
}


@dataclass(frozen=True)
class Kind:
    """A kind of league.

    Attributes:
        truth: "equal": all servers are; "pairs": two of each level, STEP apart; "steps": each on its own level.
        uneven: the noise of the last server is ten times that of the first.
        holes: some trials are missing.
        added: blocks are added for neighbours not yet told apart, until there are so many times the planned ones.
    """

    noise: str
    servers: int
    blocks: int
    truth: str
    uneven: bool = False
    holes: bool = False
    added: int = 1

    def levels(self) -> Floats:
        """Return the true scores."""
        numbers = np.arange(self.servers)
        return STEP * {"equal": numbers * 0.0, "pairs": numbers // 2, "steps": numbers * 1.0}[self.truth]

    def told(self) -> str:
        """Return what it is, for the table."""
        more = [word for word, holds in (("noise 1:10", self.uneven), ("5 % missing", self.holes)) if holds]
        more += [f"up to {self.added}× blocks added"] * (self.added > 1)
        return ", ".join([self.truth, *more])


def kinds() -> Iterator[Kind]:
    """Yield what is simulated, for the blocks of the profiles quick and full."""
    for blocks in (PROFILES["quick"].blocks, PROFILES["full"].blocks):
        for noise in NOISES:
            for servers in (5, 20):
                yield Kind(noise, servers, blocks, "equal")
                yield Kind(noise, servers, blocks, "pairs")
            yield Kind(noise, 10, blocks, "steps")
            yield Kind(noise, 10, blocks, "equal", uneven=True)
            yield Kind(noise, 10, blocks, "pairs", holes=True)
    for noise in NOISES:
        yield Kind(noise, 10, PROFILES["quick"].blocks, "equal", added=8)
        yield Kind(noise, 10, PROFILES["quick"].blocks, "pairs", added=8)


def league(kind: Kind, chance: np.random.Generator) -> Comparisons:
    """Simulate a league, with the blocks that are added to it, and return what its statistics say."""
    entries = [Entry(str(number)) for number in range(kind.servers)]
    never = np.zeros(kind.servers, np.bool_)
    blocks, seed = kind.blocks * kind.added, int(chance.integers(2**32))
    noise = NOISES[kind.noise](chance, (blocks, kind.servers))
    size = np.geomspace(0.3, 3, kind.servers) if kind.uneven else 1.0
    whole = kind.levels() + size * noise + SHIFT * chance.normal(size=(blocks, 1))
    if kind.holes:
        whole[chance.random(whole.shape) < MISSING] = np.nan
    stand = compare(whole[: kind.blocks], entries, planned=kind.blocks, seed=seed, limited=never)
    end = kind.blocks
    while end < blocks and (open_ones := undecided_at_look(whole, entries, end, kind.blocks, seed, never)):
        out = [one for one in range(kind.servers) if one not in open_ones]
        whole[end : 2 * end, out] = np.nan
        end *= 2
        stand = compare(whole[:end], entries, planned=kind.blocks, seed=seed, limited=never)
    return stand


def undecided_at_look(
    whole: Floats, entries: list[Entry], end: int, planned: int, seed: int, never: NDArray[np.bool_]
) -> set[int]:
    """Return who gets more blocks, as a run asks it."""
    return undecided(compare(whole[:end], entries, planned=planned, seed=seed, limited=never), never)


def row(kind: Kind, leagues: int) -> str:
    """Return the line of the table for one kind."""
    chance = np.random.default_rng([leagues, *str(kind).encode()])
    levels = kind.levels()
    true = levels[:, None] - levels[None, :]
    upper = np.triu(np.ones_like(true, dtype=np.bool_), 1)
    wrong = outside = told = 0
    for _ in range(leagues):
        stand = league(kind, chance)
        wrong += bool((stand.better & (true <= 0)).any())
        outside += bool(((stand.low > true) | (stand.high < true))[upper].any())
        told += int((stand.better & (true == STEP)).sum())
    differing = int((true == STEP).sum()) * leagues
    power = f"{told / differing:.0%}".replace("%", " %") if differing else "–"
    cells = (kind.noise, kind.servers, kind.blocks, kind.told(), _percent(wrong, leagues), _percent(outside, leagues))
    return f"| {' | '.join(map(str, cells))} | {power} |"


def _percent(count: int, of: int) -> str:
    share = count / of
    return f"{share * 100:.1f} ± {200 * math.sqrt(max(share * (1 - share), 1 / of**2) / of):.1f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Simulate leagues of which the truth is known.")
    parser.add_argument("--leagues", type=int, default=2000, help="of each kind")
    leagues = parser.parse_args().leagues
    print("| noise | servers | blocks | truth | error % | outside % | power |\n|---|---|---|---|---|---|---|")
    for kind in kinds():
        print(row(kind, leagues // (5 if kind.added > 1 else 1)), flush=True)  # these take twenty times as long


if __name__ == "__main__":
    main()
