"""Whether the league's statistics keep their error rates: simulated leagues whose true differences are known.

    python -m benchmarks.league_statistics                    2000 leagues of every kind: about twenty minutes
    python -m benchmarks.league_statistics --leagues 200      the same, less precise

A league is simulated as logarithms of figures, an array of shape (blocks, servers): a level for each server, noise of
size 1 for each trial, and a shift for each block, which must cancel. Prints a Markdown table. In percent of leagues,
each with twice the standard error of the simulation:

- error: a server was called significantly better than one that is equal to it or better;
- outside: a true difference was outside its interval;

and in percent of the pairs that differ by twice the noise of a trial:

- power: how many of them were called significantly different.
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

STEP = 2.0  # between two levels, in units of a trial's noise
MISSING = 0.05  # as a share of the trials, in leagues with missing trials
SHIFT = 5.0  # standard deviation of a block's shift


def _spikes(chance: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Return normal noise, where one trial in twelve is slowed down, some of them much."""
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
        noise: the name of the noise.
        servers: how many.
        blocks: how many are planned.
        truth: "equal": all servers are equal; "pairs": there are two of each level; "steps": each has its own level.
        uneven: whether the noise of the last server is ten times that of the first.
        holes: whether some trials are missing.
        added: how many times the planned blocks there may be: blocks are added for undecided neighbours.
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

    def description(self) -> str:
        """Return the description for the table."""
        more = [word for word, holds in (("noise 1:10", self.uneven), ("5 % missing", self.holes)) if holds]
        more += [f"up to {self.added}× blocks added"] * (self.added > 1)
        return ", ".join([self.truth, *more])


def kinds() -> Iterator[Kind]:
    """Yield the kinds to simulate, with the blocks of the profiles quick and full."""
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
    """Simulate a league, including added blocks, and return its comparisons."""
    entries = [Entry(str(number)) for number in range(kind.servers)]
    not_limited = np.zeros(kind.servers, np.bool_)
    blocks, seed = kind.blocks * kind.added, int(chance.integers(2**32))
    noise = NOISES[kind.noise](chance, (blocks, kind.servers))
    size = np.geomspace(0.3, 3, kind.servers) if kind.uneven else 1.0
    scores = kind.levels() + size * noise + SHIFT * chance.normal(size=(blocks, 1))
    if kind.holes:
        scores[chance.random(scores.shape) < MISSING] = np.nan
    compared = compare(scores[: kind.blocks], entries, planned=kind.blocks, seed=seed, limited=not_limited)
    end = kind.blocks
    while end < blocks and (still_undecided := undecided_at_look(scores, entries, end, kind.blocks, seed, not_limited)):
        decided = [server for server in range(kind.servers) if server not in still_undecided]
        scores[end : 2 * end, decided] = np.nan
        end *= 2
        compared = compare(scores[:end], entries, planned=kind.blocks, seed=seed, limited=not_limited)
    return compared


def undecided_at_look(
    scores: Floats, entries: list[Entry], end: int, planned: int, seed: int, not_limited: NDArray[np.bool_]
) -> set[int]:
    """Return the servers that get more blocks, as a run decides it."""
    return undecided(compare(scores[:end], entries, planned=planned, seed=seed, limited=not_limited), not_limited)


def row(kind: Kind, leagues: int) -> str:
    """Return the line of the table for one kind."""
    chance = np.random.default_rng([leagues, *str(kind).encode()])
    levels = kind.levels()
    true = levels[:, None] - levels[None, :]
    upper = np.triu(np.ones_like(true, dtype=np.bool_), 1)
    wrong = outside = detected = 0
    for _ in range(leagues):
        compared = league(kind, chance)
        wrong += bool((compared.better & (true <= 0)).any())
        outside += bool(((compared.low > true) | (compared.high < true))[upper].any())
        detected += int((compared.better & (true == STEP)).sum())
    differing = int((true == STEP).sum()) * leagues
    power = f"{detected / differing:.0%}".replace("%", " %") if differing else "–"
    cells = (
        kind.noise,
        kind.servers,
        kind.blocks,
        kind.description(),
        _percent(wrong, leagues),
        _percent(outside, leagues),
    )
    return f"| {' | '.join(map(str, cells))} | {power} |"


def _percent(count: int, total: int) -> str:
    share = count / total
    return f"{share * 100:.1f} ± {200 * math.sqrt(max(share * (1 - share), 1 / total**2) / total):.1f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Simulate leagues whose true differences are known.")
    parser.add_argument("--leagues", type=int, default=2000, help="the number of leagues of each kind")
    leagues = parser.parse_args().leagues
    print("| noise | servers | blocks | truth | error % | outside % | power |\n|---|---|---|---|---|---|---|")
    for kind in kinds():
        print(row(kind, leagues // (5 if kind.added > 1 else 1)), flush=True)  # these take twenty times as long


if __name__ == "__main__":
    main()
