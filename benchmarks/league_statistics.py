"""Whether the league's statistics keep their error rates: simulated leagues whose true differences are known.

    python -m benchmarks.league_statistics                    2000 leagues of every kind: about half an hour
    python -m benchmarks.league_statistics --leagues 200      the same, less precise

A league is simulated as logarithms of figures, an array of shape (blocks, servers): a level for each server, noise of
size 1 for each block, and a shift for each block, which must cancel. The noise called "slices" comes from simulated
slices, six rounds a block in the random order of a real one: the speed of the machine, whose residuals are correlated
by 0.49 from one slice to the next, and which jumps between two levels; the slice's own noise with heavy tails; and the
fresh processes of a block (see docs/league_statistics.md for the measured sizes). Prints a Markdown table. In percent
of leagues, each with twice the standard error of the simulation:

- error: a server was called significantly better than one that is equal to it or better;
- outside: a true difference was outside its interval;

and in percent of the pairs that differ by twice the noise of a block:

- power: how many of them were called significantly different.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.blocks import Entry
from harness.league.comparisons import LOOK, Comparisons, compare, undecided
from harness.league.inference import fewest_blocks
from harness.league.slice_scores import levels_in_block

Floats = NDArray[np.float64]
Noise = Callable[[np.random.Generator, tuple[int, int]], Floats]

STEP = 2.0  # between two levels, in units of a block's noise
MISSING = 0.05  # as a share of the scores, in leagues with missing ones
SHIFT = 5.0  # standard deviation of a block's shift
ROUNDS = 6
SPEED, OWN, PROCESS = 0.17, 0.12, 0.03  # standard deviations in a slice, in a slice, and in a block, as logarithms
CORRELATION = 0.49  # of the speed, from one slice to the next
SLOW, STAYS = -0.4, 0.98  # the lower level of the speed, and the chance that it stays in a slice


def _spikes(chance: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Return normal noise, where one score in twelve is lower, some of them much."""
    return chance.normal(size=shape) - (chance.random(shape) < 1 / 12) * chance.exponential(15, shape)


def _slices(chance: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Return the noise of what the slices of each server in each block come to, scaled to size 1."""
    blocks, servers = shape
    noise = PROCESS * chance.normal(size=shape)
    for block in range(blocks):
        steps = ROUNDS * servers
        innovations = chance.normal(size=steps) * math.sqrt(1 - CORRELATION**2)
        speed, is_slow, level = np.empty(steps), chance.random() < 0.5, chance.normal()
        for step in range(steps):
            level = CORRELATION * level + innovations[step]
            is_slow = is_slow if chance.random() < STAYS else not is_slow
            speed[step] = SPEED * level + SLOW * is_slow
        order, slices = chance.permutation(servers), np.empty((ROUNDS, servers))
        for place in range(ROUNDS):
            order = order[::-1] if place % 2 else chance.permutation(servers)
            slices[place, order] = speed[place * servers : (place + 1) * servers]
        slices += OWN * chance.standard_t(3, (ROUNDS, servers)) / math.sqrt(3)
        noise[block] += levels_in_block(slices.T)
    residuals = noise - noise.mean(axis=1, keepdims=True)
    scaled: Floats = noise / residuals.std()
    return scaled


NOISES: dict[str, Noise] = {
    "normal": lambda chance, shape: chance.normal(size=shape),
    "t, 3 degrees": lambda chance, shape: chance.standard_t(3, shape),
    "t, 1.5 degrees": lambda chance, shape: chance.standard_t(1.5, shape),
    "spikes downwards": _spikes,
    "one-sided": lambda chance, shape: 1 - chance.exponential(size=shape),
    "slices": _slices,
}


@dataclass(frozen=True)
class Kind:
    """A kind of league.

    Attributes:
        noise: the name of the noise.
        servers: how many.
        blocks: how many there are at most.
        truth: "equal": all servers are equal; "pairs": there are two of each level; "steps": each has its own level.
        uneven: whether the noise of the last server is ten times that of the first.
        holes: whether some scores are missing.
        design: "" where all blocks are alike; "first pass": those of the first look have one round, the others three;
            "four machines": the noise of blocks on them is as 1 to 2 to 4 to 8.
    """

    noise: str
    servers: int
    blocks: int
    truth: str
    uneven: bool = False
    holes: bool = False
    design: str = ""

    def levels(self) -> Floats:
        """Return the true scores."""
        numbers = np.arange(self.servers)
        steps = {"equal": 0 * numbers, "pairs": numbers // 2, "steps": numbers}[self.truth]
        levels: Floats = STEP * steps.astype(np.float64)
        return levels

    def description(self) -> str:
        """Return the description for the table."""
        more = [word for word, holds in (("noise 1:10", self.uneven), ("5 % missing", self.holes)) if holds]
        return ", ".join([self.truth, *more, *filter(None, [self.design])])

    def rounds(self) -> Floats:
        """Return by how many rounds each block counts."""
        is_first = np.arange(self.blocks) < LOOK
        return np.where(is_first & (self.design == "first pass"), 1.0, 3.0)

    def sizes(self) -> Floats:
        """Return the size of the noise of each block."""
        if self.design == "four machines":
            return 2.0 ** (np.arange(self.blocks) % 4) / 3
        return np.sqrt(3 / self.rounds())


def kinds() -> Iterator[Kind]:
    """Yield the kinds to simulate: the fewest blocks, as many as a first look has, and three looks."""
    for blocks in (fewest_blocks(), LOOK, 4 * LOOK + 4):
        for noise in NOISES:
            for servers in (5, 30):
                yield Kind(noise, servers, blocks, "equal")
                yield Kind(noise, servers, blocks, "pairs")
            yield Kind(noise, 10, blocks, "steps")
            if blocks > LOOK:
                yield Kind(noise, 30, blocks, "pairs", design="first pass")
            yield Kind(noise, 10, blocks, "pairs", design="four machines")
            if noise != "slices":
                yield Kind(noise, 10, blocks, "equal", uneven=True)
                yield Kind(noise, 10, blocks, "pairs", holes=True)


def league(kind: Kind, chance: np.random.Generator) -> Comparisons:
    """Simulate a league in which decided servers get no more blocks from each look on; return its comparisons."""
    entries = [Entry(str(number)) for number in range(kind.servers)]
    seed = int(chance.integers(2**32))
    noise = NOISES[kind.noise](chance, (kind.blocks, kind.servers)) * kind.sizes()[:, None]
    weights = kind.rounds()
    size = np.geomspace(0.3, 3, kind.servers) if kind.uneven else 1.0
    scores = kind.levels() + size * noise + SHIFT * chance.normal(size=(kind.blocks, 1))
    if kind.holes:
        scores[chance.random(scores.shape) < MISSING] = np.nan
    look = LOOK
    while look < kind.blocks:
        so_far = compare(scores[:look], entries, seed=seed, weights=weights[:look], is_over=False)
        still_open = undecided(so_far)
        scores[look : 2 * look, [server for server in range(kind.servers) if server not in still_open]] = np.nan
        look *= 2
    return compare(scores, entries, seed=seed, weights=weights)


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
        print(row(kind, leagues // (5 if kind.blocks > LOOK else 1)), flush=True)  # these take ten times as long


if __name__ == "__main__":
    main()
