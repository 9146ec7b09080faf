"""Decides which block comes next: of which spec, and with which servers.

All specs get the fewest blocks that can show a significant difference. After that the next block goes where most
servers are undecided for the number of blocks so far. While the time does not suffice for the first look of every spec,
blocks have fewer rounds. From the first look at the results on (see
`harness.league.comparisons`), a block has only the servers that do not differ yet from a neighbour in the ranking.
Servers that do not fit into memory or descriptors together are dealt into groups, and dealt again when each group has
had a block, so that every pair meets.
"""

from __future__ import annotations

import math
import random
import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psutil

from harness.blocks import BlockResult, Entry, Role
from harness.league.baseline_relay import NAME as BASELINE
from harness.league.comparisons import LOOK, compare, undecided
from harness.league.inference import fewest_blocks
from harness.league.measures import DEFAULT_WEIGHTS, MEASURES, mixture
from harness.league.messages import BlockRequest
from harness.league.profiles import IDLE_BLOCKS, Profile
from harness.league.rows import failure_of
from harness.model import Implementation

GUESS_S = 1.0  # a server's part of a block, before there was one
BYTES_EACH = 100_000_000  # memory of a server with all of its clients: three times that of a typical one
OTHER_DESCRIPTORS = 200
OTHER_ENTRIES = 3  # two controls and the baseline relay
FEWEST_ROUNDS = 3  # of a block, where the time is short


@dataclass(frozen=True, kw_only=True)
class Design:
    """The design of a run.

    Attributes:
        servers: those that are measured.
        controls: for each spec the servers that have an A/A control: a second entry in each block.
        baselines: for each spec the baseline relay, if it can be built.
        profile: how much is measured.
        seed: the random seed of the order.
        at_once: how many servers fit into one block.
    """

    servers: Sequence[Implementation]
    controls: Mapping[str, Sequence[str]]
    baselines: Mapping[str, Implementation]
    profile: Profile
    seed: int
    at_once: int


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

    def next_block(self, time_left_s: float, *, is_extended: bool) -> BlockRequest | None:
        """Return the next block, or None: all is decided, the planned blocks are done, or the time does not suffice.

        Args:
            time_left_s: until when it must have ended.
            is_extended: whether there may be more blocks than planned.
        """
        planned, rounds = self._design.profile.blocks, self._rounds(time_left_s)
        for spec in sorted(self._specs, key=self._urgency):
            servers, number = self._servers(spec), len(self._blocks(spec))
            if not servers or (number >= planned * self._blocks_a_meeting(spec) and not is_extended):
                continue
            entries = self._deal(spec, servers, number)
            if self._expected_s(spec, len(entries), rounds) <= time_left_s:
                return self._request(spec, number, entries, rounds)
        return None

    def _rounds(self, time_left_s: float) -> int:
        """Return how many rounds the next block has: fewer, while the first looks would not fit into the time."""
        most, needed_s = self._design.profile.rounds, 0.0
        for spec in self._specs:
            missing = LOOK * self._blocks_a_meeting(spec) - len(self._blocks(spec))
            in_block = len(self._servers(spec)) / self._groups(spec) + OTHER_ENTRIES
            needed_s += max(0, missing) * self._expected_s(spec, in_block, most)
        return most if needed_s <= time_left_s else min(most, FEWEST_ROUNDS)

    def _blocks(self, spec: str) -> list[BlockResult]:
        return [block for block in self._done if block.spec == spec]

    def _groups(self, spec: str) -> int:
        """Return into how many groups the servers of a spec are dealt."""
        count = sum(server.spec == spec for server in self._design.servers)
        return -(-count // self._design.at_once)

    def _blocks_a_meeting(self, spec: str) -> int:
        """Return in how many blocks, on average, two servers of a spec meet once: with g groups every g² blocks."""
        return self._groups(spec) ** 2

    def _urgency(self, spec: str) -> tuple[float, float]:
        each = len(self._blocks(spec)) / self._blocks_a_meeting(spec)
        return min(each, fewest_blocks()), -len(self._servers(spec)) / max(1.0, each)

    def _servers(self, spec: str) -> list[Implementation]:
        """Return the servers of a spec that have not failed, after the first look only the undecided ones."""
        blocks = self._blocks(spec)
        servers = [server for server in self._design.servers if server.spec == spec]
        servers = [server for server in servers if not failure_of(blocks, server.name)]
        look = LOOK * self._blocks_a_meeting(spec)
        if len(blocks) < look or len(servers) < 2 or not self._narrows:
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
        compared = compare(mixture(values, DEFAULT_WEIGHTS), entries, seed=self._design.seed, is_over=False)
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
        return entries

    def _expected_s(self, spec: str, entries: float, rounds: int) -> float:
        """Return how long a block is expected to take: its servers take as long as in the last block of the spec.

        Args:
            spec: its name.
            entries: how many the block has.
            rounds: how many it has.
        """
        if not (blocks := self._blocks(spec)):
            return entries * GUESS_S
        last = blocks[-1]
        ends_s = [result.at_s for result in last.slices if result.round >= 0]
        had = 1 + max((result.round for result in last.slices), default=0)
        round_s = (max(ends_s) - min(ends_s)) / had if ends_s else 0.0
        return entries / len(last.entries) * (last.seconds + (rounds - had) * round_s)

    def _request(
        self, spec: str, number: int, entries: Sequence[tuple[Entry, Implementation]], rounds: int
    ) -> BlockRequest:
        profile = self._design.profile
        return BlockRequest(
            number=number,
            spec=spec,
            entries=tuple(entry for entry, _ in entries),
            implementations=tuple(server for _, server in entries),
            plan=profile.slices,
            rounds=rounds,
            clients=profile.clients,
            idle_clients=profile.idle_clients if number < IDLE_BLOCKS * self._groups(spec) else 0,
            seed=self._design.seed,
        )
