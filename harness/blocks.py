"""Records of blocks, as they go over pipes and to disk: servers side by side, each loaded in turns of short slices."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from functools import cached_property

import msgspec


class Role(StrEnum):
    """What an entry of a block is there for."""

    SERVER = "server"
    CONTROL = "control"  # the same server a second time: an A/A control, which shows what chance does
    BASELINE = "baseline"  # the relay in C that only passes bytes on
    REFERENCE = "reference"  # a product with a protocol of its own


class Entry(msgspec.Struct, frozen=True):
    """A server in a block, and in comparisons.

    Attributes:
        name: of the server.
        role: what it is there for.
    """

    name: str
    role: Role = Role.SERVER


class SlicePlan(msgspec.Struct, frozen=True):
    """A kind of slice in a block.

    Attributes:
        kind: see `harness.load.resident.KINDS`.
        seconds: how long a slice is measured.
        every: it is in every round, in every second round, and so on.
    """

    kind: str
    seconds: float
    every: int = 1


class SliceResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one slice.

    Attributes:
        round: the number of the round, from 0; -1 for what was measured before the first one.
        entry: the number of the entry in the block.
        kind: of the slice.
        at_s: when it ended, from the beginning of the block.
        figures: the figures by name (see `harness.figures`).
        histogram: latency in nanoseconds as an HDR histogram in its own base64 form, or "".
    """

    round: int
    entry: int
    kind: str
    at_s: float
    figures: dict[str, float]
    histogram: str = ""


class BlockResult(msgspec.Struct, frozen=True, kw_only=True, dict=True):  # dict: for cached properties
    """The result of a block.

    Attributes:
        number: of the block among those of its spec, from 0.
        spec: the name of the spec.
        entries: the servers.
        slices: the results of its slices, in their order.
        failed: by the number of an entry, why it is out: it did not start, died, or broke a rule that loads verify.
        disturbed: by the number of an entry, what the machine did that may have caused it; the entry does not count in
            this block then, and may have failed or not.
        started: when it started, in ISO 8601, UTC.
        seconds: how long it took.
        clients: how many clients each server had.
        machine: the name of the machine of a cluster that made it, or "".
        plan: the kinds of slices.
    """

    number: int
    spec: str
    entries: tuple[Entry, ...]
    slices: tuple[SliceResult, ...]
    failed: dict[str, str]
    seconds: float
    started: str = ""
    clients: int = 0
    plan: tuple[SlicePlan, ...] = ()
    machine: str = ""
    disturbed: dict[str, str] = {}

    def slices_of(self, entry: Entry) -> list[SliceResult]:
        """Return the slices of an entry; none if it failed, was disturbed, or is not in the block."""
        if entry not in self.entries:
            return []
        number = self.entries.index(entry)
        if {str(number)} & (self.failed.keys() | self.disturbed.keys()):
            return []
        return self._by_entry.get(number, [])

    @property
    def rounds(self) -> int:
        """How many rounds of slices it has."""
        return 1 + max((result.round for result in self.slices), default=-1)

    @property
    def measures_memory(self) -> bool:
        """Whether it has memory with idle clients."""
        return any(result.kind == "idle" for result in self.slices)

    @cached_property
    def _by_entry(self) -> dict[int, list[SliceResult]]:
        """The slices of each entry by its number: a league asks for those of every entry many times."""
        found: dict[int, list[SliceResult]] = {}
        for result in self.slices:
            found.setdefault(result.entry, []).append(result)
        return found

    def without(self, names: Collection[str]) -> BlockResult:
        """Return the block as if these servers and their controls had not been in it."""
        kept = [number for number, entry in enumerate(self.entries) if entry.name not in names]
        numbers = {old: new for new, old in enumerate(kept)}
        return msgspec.structs.replace(
            self,
            entries=tuple(self.entries[number] for number in kept),
            slices=tuple(
                msgspec.structs.replace(result, entry=numbers[result.entry])
                for result in self.slices
                if result.entry in numbers
            ),
            failed=_renumbered(self.failed, numbers),
            disturbed=_renumbered(self.disturbed, numbers),
        )


def _renumbered(reasons: Mapping[str, str], numbers: Mapping[int, int]) -> dict[str, str]:
    return {str(numbers[int(old)]): reason for old, reason in reasons.items() if int(old) in numbers}
