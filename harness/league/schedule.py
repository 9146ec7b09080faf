"""Decides which block comes next: of which spec, and with which servers.

Many servers have a first pass: as many blocks of two rounds of floods alone as the first look at the results needs (see
`harness.league.comparisons`), which distinguish in two minutes what differs by a factor of two. The blocks after it
measure everything: memory with idle clients, and latency at a fixed rate. Then latency is in every second block, and
memory in none, and they have more rounds: most of the time goes to the floods, by which the league is ordered. Where
the time suffices only for a few blocks, they have fewer rounds.

All specs get these blocks first, in turns where there is no time for all first passes. After that the next block goes
where most servers are undecided for the number of blocks so far, and has only the servers that did not differ, at the
last look, from a neighbour in the ranking.

Servers that do not fit into memory or descriptors together are dealt into groups, and dealt again when each group has
had a block, so that every pair meets.
"""

from __future__ import annotations

import itertools
import math
import random
import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psutil

from harness import plugins
from harness.blocks import BlockResult, Entry, Role
from harness.league.baseline_relay import NAME as BASELINE
from harness.league.block_time import Contents, expected_s
from harness.league.comparisons import LOOK, compare, undecided
from harness.league.inference import fewest_blocks
from harness.league.measures import DEFAULT_WEIGHTS, MEASURES, floods, mixture
from harness.league.messages import BlockRequest
from harness.league.profiles import IDLE_BLOCKS, PACED_EVERY, Profile
from harness.league.rows import failure_of
from harness.league.slice_scores import block_weights
from harness.model import Implementation

BYTES_EACH = 100_000_000  # memory of a server with all of its clients: three times that of a typical one
OTHER_DESCRIPTORS = 200
OTHER_ENTRIES = 6  # two controls, the baseline relay, some references
FEWEST_ROUNDS = 2  # of a block, where the time is short
FIRST_ROUNDS = 2  # of a block of the first pass, if there is time: most of one round would be starting the servers
# times as many rounds has a block after those that measure everything: starting the servers and warming them up takes
# as long as two or three rounds, and nearly all variance lies between rounds (see docs/league_statistics.md)
LATER_ROUNDS = 2
FEW_SERVERS = 16  # with fewer, eight whole blocks take some two minutes
MOST_ANNOUNCED = 300  # idle clients that are announced to each other; a thousand would take a third of a run


@dataclass(frozen=True, kw_only=True)
class Design:
    """The design of a run.

    Attributes:
        servers: those that are measured.
        controls: for each spec the servers that have an A/A control: a second entry in each block.
        baselines: for each spec the baseline relay, if it can be built.
        references: products that stand beside the servers of their spec.
        profile: how much is measured.
        seed: the random seed of the order.
        at_once: how many servers fit into one block.
        machines: how many machines make blocks at the same time.
    """

    servers: Sequence[Implementation]
    controls: Mapping[str, Sequence[str]]
    baselines: Mapping[str, Implementation]
    profile: Profile
    seed: int
    at_once: int
    references: Sequence[Implementation] = ()
    machines: int = 1


def choose_controls(servers: Sequence[Implementation], profile: Profile, name: str = "") -> dict[str, list[str]]:
    """Return for each spec two servers that get an A/A control, of different classes where there are several.

    Args:
        servers: those of the run.
        profile: with too few blocks for any significant difference there is no control.
        name: the first of them that the user wants, or "".
    """
    if profile.blocks < fewest_blocks():
        return {}
    chosen: dict[str, list[str]] = {}
    for spec in dict.fromkeys(server.spec for server in servers):
        own = [server for server in servers if server.spec == spec]
        first = min(own, key=lambda server: (server.name != name, server.category != "idiomatic"))
        rest = [server for server in own if server is not first]
        second = min(rest, key=lambda server: server.category == first.category, default=None)
        chosen[spec] = [first.name, *([second.name] if second else [])]
    return chosen


def servers_at_once(clients: int, idle_clients: int) -> int:
    """Return how many servers fit into one block, by the descriptors and the memory that this machine has.

    Args:
        clients: how many each server has.
        idle_clients: how many one of them has at first.
    """
    by_memory = psutil.virtual_memory().available // BYTES_EACH
    by_descriptors = (_descriptors() - idle_clients - OTHER_DESCRIPTORS) // clients
    return int(max(2, min(by_memory, by_descriptors) - OTHER_ENTRIES))


def fitting_idle_clients(clients: int, idle_clients: int) -> int:
    """Return with how many idle clients memory is measured: none, where descriptors do not suffice for two servers.

    Args:
        clients: how many each server has.
        idle_clients: how many are wanted.
    """
    needed = idle_clients + OTHER_DESCRIPTORS + (2 + OTHER_ENTRIES) * clients
    return idle_clients if needed <= _descriptors() else 0


def suited_idle_clients(spec: str, idle_clients: int) -> int:
    """Return with how many idle clients memory is measured, at most this many; fewer where each costs all others."""
    return min(idle_clients, MOST_ANNOUNCED) if plugins.specs()[spec].codec.announces_clients else idle_clients


def _descriptors() -> float:
    """Return how many descriptors a process may have."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if limit == resource.RLIM_INFINITY else limit


class Schedule:
    """The blocks of a run, one after the other; what comes next depends on the results so far.

    Args:
        design: the design of the run.
        done: the results so far; the caller adds each new one before it takes the next block.
        narrows: whether blocks have only the undecided servers from the first look on.
    """

    def __init__(self, design: Design, done: Sequence[BlockResult], *, narrows: bool = True) -> None:
        self._design, self._done, self._narrows = design, done, narrows
        self._specs = list(dict.fromkeys(server.spec for server in design.servers))
        self._open: dict[tuple[str, int], list[str]] = {}  # by spec and look, the undecided servers
        self._requested: set[tuple[str, int]] = set()  # by spec and number, with those that are done

    def next_block(self, time_left_s: float, *, is_extended: bool) -> BlockRequest | None:
        """Return the next block, or None: all is decided, the planned blocks are done, or the time does not suffice.

        Args:
            time_left_s: in how many seconds it must have ended.
            is_extended: whether there may be more blocks than planned.
        """
        planned, rounds = self._design.profile.blocks, self._rounds(time_left_s)
        in_turns = self._first_passes_s() > time_left_s * self._design.machines
        for spec in sorted(self._specs, key=lambda spec: self._urgency(spec, in_turns)):
            servers, number = self._servers(spec), self._next_number(spec)
            last = planned * self._blocks_a_meeting(spec) + self._first_pass(spec)
            if not servers or (number >= last and (not is_extended or len(servers) < 2)):  # it differs from none
                continue
            entries = self._deal(spec, servers, number)
            for contents in (self._contents(spec, number, fewer) for fewer in range(rounds, 0, -1)):
                if self._expected_s(spec, len(entries), contents) <= time_left_s:
                    self._requested.add((spec, number))
                    return self._request(spec, number, entries, contents)
        return None

    def _rounds(self, time_left_s: float) -> int:
        """Return how many rounds the next block has: fewer, where the time suffices only for a few blocks.

        With few blocks the critical values are high, so more blocks are better than more rounds.
        """
        most = self._design.profile.rounds
        fitting = (rounds for rounds in range(most, FEWEST_ROUNDS, -1) if self._needed_s(rounds) <= time_left_s)
        return next(fitting, min(most, FEWEST_ROUNDS))

    def _needed_s(self, rounds: int) -> float:
        """Return how long it takes until all specs have blocks for a second look, with so many rounds in each."""
        needed_s = 0.0
        for spec in self._specs:
            in_block = len(self._servers(spec)) / self._groups(spec) + OTHER_ENTRIES
            enough = self._with_everything(spec) + LOOK * self._blocks_a_meeting(spec)
            for number in range(self._count(spec), enough):
                needed_s += self._expected_s(spec, in_block, self._contents(spec, number, rounds))
        return needed_s / self._design.machines

    def _first_pass(self, spec: str) -> int:
        """Return how many blocks the first pass of a spec has: none, where the servers are few or the blocks are."""
        count = sum(server.spec == spec for server in self._design.servers)
        is_short = count < FEW_SERVERS or self._design.profile.blocks <= fewest_blocks()
        return 0 if is_short else LOOK * self._blocks_a_meeting(spec)

    def _with_everything(self, spec: str) -> int:
        """Return after how many blocks those that measure everything are done."""
        return self._first_pass(spec) + IDLE_BLOCKS * self._groups(spec)

    def _contents(self, spec: str, number: int, rounds: int) -> Contents:
        """Return what a block measures.

        Args:
            spec: its name.
            number: of the block.
            rounds: how many it has, if it is not of the first pass.
        """
        profile = self._design.profile
        if number < self._first_pass(spec):
            return Contents(FIRST_ROUNDS if rounds == profile.rounds else 1, floods(profile.slices), 0)
        if (after := number - self._with_everything(spec)) < 0:
            return Contents(rounds, profile.slices, suited_idle_clients(spec, profile.idle_clients))
        is_paced = after // self._groups(spec) % PACED_EVERY == PACED_EVERY - 1
        return Contents(LATER_ROUNDS * rounds, profile.slices if is_paced else floods(profile.slices), 0)

    def _blocks(self, spec: str) -> list[BlockResult]:
        return [block for block in self._done if block.spec == spec]

    def _count(self, spec: str) -> int:
        """Return how many blocks of a spec are done or under way."""
        return len(self._numbers(spec))

    def _next_number(self, spec: str) -> int:
        """Return the number of the next block: the first that is free, because an interrupted run may lack some."""
        taken = self._numbers(spec)
        return next(number for number in itertools.count() if number not in taken)

    def _numbers(self, spec: str) -> set[int]:
        requested = {number for of, number in self._requested if of == spec}
        return requested | {block.number for block in self._blocks(spec)}

    def _groups(self, spec: str) -> int:
        """Return into how many groups the servers of a spec are dealt."""
        count = sum(server.spec == spec for server in self._design.servers)
        return -(-count // self._design.at_once)

    def _blocks_a_meeting(self, spec: str) -> int:
        """Return in how many blocks, on average, two servers of a spec meet once: with g groups every g² blocks."""
        return self._groups(spec) ** 2

    def _first_passes_s(self) -> float:
        """Return how long the rest of all first passes is expected to take."""
        return sum(
            self._expected_s(spec, len(self._servers(spec)) / self._groups(spec), self._contents(spec, number, 1))
            for spec in self._specs
            for number in range(self._count(spec), self._first_pass(spec))
        )

    def _urgency(self, spec: str, in_turns: bool) -> tuple[float, float, float]:
        """Return what is least for the spec that gets the next block; first passes come first.

        Args:
            spec: its name.
            in_turns: whether the first passes go on together, because there is no time for all of them.
        """
        blocks, servers = self._count(spec), len(self._servers(spec))
        if blocks < (LOOK * self._blocks_a_meeting(spec) if in_turns else self._first_pass(spec)):
            return 0, blocks if in_turns else 0, -servers
        if blocks < self._with_everything(spec):
            return 1, (blocks - self._first_pass(spec)) / self._groups(spec), -servers
        return 2, -servers / blocks * self._blocks_a_meeting(spec), 0

    def _servers(self, spec: str) -> list[Implementation]:
        """Return the servers of a spec that have not failed, after the first look only the undecided ones."""
        blocks = self._blocks(spec)
        servers = [server for server in self._design.servers if server.spec == spec]
        servers = [server for server in servers if not failure_of(blocks, server.name)]
        look = LOOK * self._blocks_a_meeting(spec)
        if len(blocks) < max(look, self._with_everything(spec)) or len(servers) < 2 or not self._narrows:
            return servers
        while 2 * look <= len(blocks):
            look *= 2
        if (spec, look) not in self._open:
            self._open[spec, look] = self._undecided(blocks[:look], servers)
        return [server for server in servers if server.name in self._open[spec, look]]

    def _undecided(self, blocks: Sequence[BlockResult], servers: Sequence[Implementation]) -> list[str]:
        entries = [Entry(server.name) for server in servers]
        values = {
            name: MEASURES[name].scores(blocks, entries, MEASURES[name].limited_entries(blocks, entries))
            for name in DEFAULT_WEIGHTS
        }
        compared = compare(
            mixture(values, DEFAULT_WEIGHTS),
            entries,
            seed=self._design.seed,
            weights=block_weights(blocks),
            is_over=False,
        )
        return [servers[place].name for place in undecided(compared)]

    def _deal(self, spec: str, servers: Sequence[Implementation], number: int) -> list[tuple[Entry, Implementation]]:
        """Return the entries of a block: the servers of its group, with their controls, and the baseline."""
        groups = -(-len(servers) // self._design.at_once)
        group = list(servers)
        if groups > 1:
            random.Random(f"{self._design.seed} {spec} {number // groups}").shuffle(group)
            group = group[number % groups :: groups]
        entries = [(Entry(server.name), server) for server in group]
        with_control = self._design.controls.get(spec, ())
        entries += [(Entry(server.name, Role.CONTROL), server) for server in group if server.name in with_control]
        if baseline := self._design.baselines.get(spec):
            entries.append((Entry(BASELINE, Role.BASELINE), baseline))
        running = (each for each in self._design.references if each.spec == spec)
        blocks = self._blocks(spec)
        entries += [(Entry(each.name, Role.REFERENCE), each) for each in running if not failure_of(blocks, each.name)]
        return entries

    def _expected_s(self, spec: str, entries: float, contents: Contents) -> float:
        """Return how long a block is expected to take, by the blocks of its spec, or of others before there is one."""
        return expected_s(entries, contents, self._blocks(spec) or self._done)

    def _request(
        self, spec: str, number: int, entries: Sequence[tuple[Entry, Implementation]], contents: Contents
    ) -> BlockRequest:
        return BlockRequest(
            number=number,
            spec=spec,
            entries=tuple(entry for entry, _ in entries),
            implementations=tuple(server for _, server in entries),
            plan=contents.plan,
            rounds=contents.rounds,
            clients=self._design.profile.clients,
            idle_clients=contents.idle_clients,
            seed=self._design.seed,
        )
