"""Measures alternatives in short interleaved slices, and prints their ratios with simultaneous intervals.

The speed of a shared machine changes within a fraction of a second, so what is measured for seconds at different times
cannot be compared. Here a block starts every alternative in fresh processes, holds them resident, stopped (SIGSTOP)
outside their slices, and goes through rounds of slices of some tens of milliseconds. In a round each alternative has
one slice of each kind, in random order, and every other round goes backwards. Before them, a round that is not counted
warms caches up.

The unit of the statistics is the block: its value of a figure is the mean of the logarithms over its rounds, so that
differences within a block are ratios. Their intervals hold simultaneously for a whole table, as those of the league do
(`harness.league.inference`), and need at least six blocks.
"""

from __future__ import annotations

import json
import math
import random
import shlex
import signal
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.league.inference import ERROR, Floats, differences, fewest_blocks
from harness.processes import own_children, warden
from harness.processes.guarded import guarded
from harness.processes.tasks import background_tasks
from harness.processes.workers import Worker

ROOT = Path(__file__).parent.parent  # the folder that modules are found in
ANSWER_S = 120.0  # at most, for a slice or a start
READY = "ready"

Figures = Mapping[str, float]  # all positive
Slice = Callable[[str], Awaitable[Figures]]
Table = dict[
    str, Floats
]  # by figure, mean logarithms, blocks × alternatives; NaN where an alternative has no such figure


@dataclass(frozen=True)
class Alternative:
    """One of the things that are compared.

    Attributes:
        name: for the table.
        kinds: of its slices; without any it is not started.
        start: starts it afresh, for one block; the context's value runs a slice of a kind and returns its figures.
    """

    name: str
    kinds: Sequence[str]
    start: Callable[[], AbstractAsyncContextManager[Slice]]


def turns(alternatives: Sequence[Sequence[str]], rounds: int, chance: random.Random) -> Iterator[tuple[int, str, int]]:
    """Yield the slices of a block in their order: the round, the kind, and the place of the alternative.

    Args:
        alternatives: the kinds of slices of each.
        rounds: how many rounds count; the round -1 before them does not.
        chance: the source of the order.
    """
    kinds = list(dict.fromkeys(kind for own in alternatives for kind in own))

    def shuffled() -> list[tuple[str, int]]:
        """Return the slices of a round; those of one kind follow one another, for they are what is compared."""
        return [
            (kind, place)
            for kind in chance.sample(kinds, len(kinds))
            for place in chance.sample(range(len(alternatives)), len(alternatives))
            if kind in alternatives[place]
        ]

    order = shuffled()
    for number in range(-1, rounds):
        order = order[::-1] if number % 2 else shuffled()
        yield from ((number, kind, place) for kind, place in order)


async def measure(
    alternatives: Sequence[Alternative], blocks: int, rounds: int, *, title: str = "", seed: int = 0
) -> Table:
    """Measure alternatives in interleaved slices.

    Args:
        alternatives: what is compared.
        blocks: how many blocks.
        rounds: how many rounds a block has, beside the first one.
        title: the beginning of its lines on standard error.
        seed: of the orders.
    """
    table: Table = {}
    for block in range(blocks):
        print(f"{title}block {block + 1} of {blocks}", file=sys.stderr)
        chance = random.Random(f"{seed} {block}")
        logarithms = defaultdict[tuple[str, int], list[float]](list)
        slices: dict[int, Slice] = {}
        async with AsyncExitStack() as stack:
            for place in chance.sample(range(len(alternatives)), len(alternatives)):
                if not alternatives[place].kinds:
                    continue
                slices[place] = await stack.enter_async_context(alternatives[place].start())
            for number, kind, place in turns([each.kinds for each in alternatives], rounds, chance):
                figures = await slices[place](kind)
                for figure, value in figures.items() if number >= 0 else ():
                    logarithms[figure, place].append(math.log(value))
        for (figure, place), values in logarithms.items():
            means = table.setdefault(figure, np.full((blocks, len(alternatives)), np.nan))
            means[block, place] = math.fsum(values) / len(values)
    return table


# --- processes


class Resident:
    """A program that answers each line of its standard input with one line; created by `resident()`."""

    def __init__(self, worker: Worker, warden_pid: int) -> None:
        self._worker, self._warden_pid = worker, warden_pid

    async def receive(self) -> bytes:
        """Return the next line; raise WorkerDied when none comes."""
        return await self._worker.receive(ANSWER_S)

    async def request(self, line: bytes) -> bytes:
        """Send a line; return the answer."""
        return await self._worker.request(line, ANSWER_S)

    def signal_all(self, number: int) -> None:
        """Send a signal to the program and all its descendants, but not to the warden that will end them."""
        for child in warden.children(self._warden_pid):
            warden.signal_all(child, number)


@asynccontextmanager
async def resident(command: Sequence[str], environment: Mapping[str, str] | None = None) -> AsyncIterator[Resident]:
    """Run a program until the context ends.

    Args:
        command: the program and its arguments.
        environment: variables in addition to those of this process.
    """
    async with guarded(command, folder=ROOT, environment=environment) as process, background_tasks() as tasks:
        own_children.mark(process.pid)
        worker = Worker(process)
        tasks.start_soon(worker.collect_stderr)
        yield Resident(worker, process.pid)


@asynccontextmanager
async def module(name: str, *arguments: str) -> AsyncIterator[Slice]:
    """Run a Python module that calls `serve`, stopped outside its slices, until the context ends."""
    async with resident([sys.executable, "-m", name, *arguments]) as program:
        await program.receive()
        program.signal_all(signal.SIGSTOP)

        async def run(kind: str) -> Figures:
            program.signal_all(signal.SIGCONT)
            try:
                figures: Figures = json.loads(await program.request(kind.encode()))
            finally:
                program.signal_all(signal.SIGSTOP)
            return figures

        yield run


def serve(run: Callable[[str], Figures]) -> None:
    """Run a slice for each line of standard input, which is its kind; print its figures."""
    print(READY, flush=True)
    for line in sys.stdin:
        print(json.dumps(run(line.strip())), flush=True)


# --- ratios


@dataclass(frozen=True)
class Interval:
    """A mean over the blocks, with its simultaneous interval; NaN where there are too few blocks for one."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        ends = "" if math.isnan(self.low) else f" [{digits(self.low)}, {digits(self.high)}]"
        return digits(self.mean) + ends


@dataclass(frozen=True)
class Bound:
    """What a ratio should be.

    Attributes:
        at_least: its lowest value.
        at_most: its highest value.
    """

    at_least: float = 0.0
    at_most: float = math.inf

    def verdict(self, ratio: Interval) -> str:
        """Return "missed" when the whole interval is beyond the bound, "holds" when none of it is, else "undecided"."""
        if ratio.high < self.at_least or ratio.low > self.at_most:
            return "missed"
        return "holds" if self.at_least <= ratio.low and ratio.high <= self.at_most else "undecided"

    def __str__(self) -> str:
        return f"at least {self.at_least:g}" if self.at_least else f"at most {self.at_most:g}"


def ratios(table: Mapping[str, Floats], base: int = 0) -> dict[tuple[str, int], Interval]:
    """Return the ratio of each alternative's figures to those of one of them; all intervals hold simultaneously.

    Args:
        table: by figure, mean logarithms, blocks × alternatives.
        base: the place of the alternative that the others are divided by.

    Returns:
        By figure and place of the alternative.
    """
    keys, columns, groups = list[tuple[str, int]](), list[Floats](), list[int]()
    for number, (figure, logarithms) in enumerate(table.items()):
        for place in range(logarithms.shape[1]):
            column = logarithms[:, place] - logarithms[:, base]
            if place != base and not np.isnan(column).all():
                keys.append((figure, place))
                columns.append(column)
                groups.append(number)
    if not keys:
        return {}
    found = differences(np.stack(columns, axis=1), groups=np.array(groups))
    ends = zip(np.exp(found.mean), np.exp(found.low), np.exp(found.high), strict=True)
    return {key: Interval(*map(float, values)) for key, values in zip(keys, ends, strict=True)}


def level(logarithms: Floats, place: int) -> float:
    """Return the geometric mean of an alternative's figure over the blocks.

    Args:
        logarithms: mean logarithms, blocks × alternatives.
        place: of the alternative.
    """
    return float(np.exp(np.nanmean(logarithms[:, place])))


def digits(value: float) -> str:
    """Return a number with three digits, or with all digits before its decimal point."""
    if value >= 1000:
        return f"{value:,.0f}"
    decimals = 2 if value == 0 else max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(decimals, 3)}f}"


def print_rows(rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table, the head first."""
    head, *others = rows
    print("\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *others)))


def print_ratios(
    table: Table,
    names: Sequence[str],
    units: Mapping[str, tuple[str, float]],
    bounds: Mapping[tuple[str, str], Bound] | None = None,
) -> bool:
    """Print a Markdown table of ratios to the first alternative; return whether no bound is missed.

    Args:
        table: by figure, mean logarithms, blocks × alternatives.
        names: of the alternatives.
        units: by figure, in the order of the rows, the name of its unit and its size.
        bounds: by figure and alternative, what its ratio should be.
    """
    found, fine = ratios(table), True
    rows = [["figure", names[0], *(f"{name} ÷ {names[0]}" for name in names[1:])]]
    for figure, (unit, size) in units.items():
        logarithms = table[figure]
        row = [figure, f"{digits(level(logarithms, 0) / size)} {unit}"]
        for place, name in enumerate(names[1:], 1):
            ratio = found.get((figure, place))
            cell = str(ratio or "")
            if ratio and (bound := (bounds or {}).get((figure, name))):
                verdict = bound.verdict(ratio)
                fine &= verdict != "missed"
                cell += f", {bound}: {verdict}" if verdict != "missed" else f", {bound}: **missed**"
            row.append(cell)
        rows.append(row)
    print_rows(rows)
    return fine


# --- the command line


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        blocks: how many blocks.
        rounds: how many rounds each has.
    """

    blocks: int
    rounds: int

    def describe(self, machine: str) -> str:
        """Return a sentence for under a table: the command, how much was measured, and where.

        Args:
            machine: the machine, in words.
        """
        return (
            f"`python {shlex.join(sys.orig_argv[1:])}`: {self.blocks} blocks of {self.rounds} rounds; in brackets "
            f"simultaneous intervals, error {ERROR:.0%}. {machine}"
        )


def add_size(parser: ArgumentParser) -> None:
    """Add --quick, --blocks and --rounds to a parser."""
    parser.add_argument("--quick", action="store_true", help="less than a minute, to see that it works")
    parser.add_argument("--blocks", type=_blocks, help=f"how many blocks, at least {fewest_blocks()}")
    parser.add_argument("--rounds", type=int, help="how many rounds a block has")


def _blocks(text: str) -> int:
    blocks = int(text)
    if blocks < fewest_blocks():
        raise ArgumentTypeError(f"no difference can be significant with fewer than {fewest_blocks()} blocks")
    return blocks


def size_of(options: Namespace, full: Size, quick: Size) -> Size:
    """Return how much the options of `add_size` ask for.

    Args:
        options: the parsed arguments.
        full: how much is measured by default.
        quick: how much is measured with --quick.
    """
    chosen = quick if options.quick else full
    return Size(options.blocks or chosen.blocks, options.rounds or chosen.rounds)
