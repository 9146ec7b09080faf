"""Where a load has several processes: whether what all their clients have heard and said fits into one order.

Each process has judged its own clients. Where nothing was in doubt, each group's stream is an order that fits all its
clients, and so is every longer one that begins like it. So when the streams of the same topics are all beginnings of
the longest of them, they fit together: hashes of their beginnings, each as long as one of them, tell that. Else one
process gets all that was heard and said, and the judge decides.
"""

from __future__ import annotations

import hashlib
import itertools
import tempfile
from collections.abc import Sequence

import numpy as np

from harness.load.engine.frame_templates import Int64Array
from harness.load.engine.interface import Engine
from harness.load.processes import LoadProcesses
from harness.load.verify.frames import Sender
from harness.load.verify.recent import RecentHistory

# Deliveries to those who had parted. What comes behind them is not there for the judge of all: a history with holes
# is never worse than a whole one, for a server may drop any message.
OWN_KEPT = 16_000_000


class CompleteHistory(RecentHistory):
    """Remembers all of a load, and not only what was lately; the groups' streams in a file that has no name."""

    def __init__(
        self, core: Engine, voices: Sequence[Sender], groups: int, groups_of: Sequence[int], numbers: Sequence[int]
    ) -> None:
        super().__init__(core, voices, groups, groups_of, numbers)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  it lasts as long as this
        self._parts: list[list[Int64Array]] = [[] for _ in range(groups)]
        self._counts = [0] * groups

    def keep(self) -> None:
        """Take what the groups' streams have now, before the core forgets it."""
        for group, count in enumerate(self._counts):
            _, now = self._core.stream_range(group)
            if now > count:
                at = self._file.seek(0, 2)
                self._file.write(self._core.stream_codes(group, count, now))
                self._file.flush()
                self._parts[group].append(np.memmap(self._file, np.int64, "r", at, (now - count,)))
                self._counts[group] = now

    def heard(self, client: int, codes: Int64Array) -> None:
        """Note what a client that has parted has heard, up to OWN_KEPT in all."""
        if self._own < OWN_KEPT:
            super().heard(client, codes)

    def stream(self, group: int) -> Int64Array:
        """Return the codes of a group's stream, as far as `keep` has seen it."""
        parts = self._parts[group]
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def _common(self, group: int, start: int, stop: int) -> Int64Array:
        return self.stream(group)[start:stop]

    def compare(self, ranks: LoadProcesses, groups: Sequence[tuple[int, ...]], *, is_in_doubt: bool) -> None:
        """Raise Violation when what was heard and said in all processes does not fit into one order.

        Args:
            groups: the topics of each group here.
            is_in_doubt: whether anything here was, and so the groups' streams may not fit all their clients.
        """
        counts = ranks.gather(dict(zip(groups, self._counts, strict=True)))
        beginnings: dict[tuple[tuple[int, ...], int], bytes] = {}
        for group, topics in enumerate(groups):
            lengths = sorted({one[topics] for one in counts if topics in one})
            beginnings |= {(topics, length): told for length, told in self._beginnings(group, lengths).items()}
        told = ranks.gather((is_in_doubt, beginnings))
        known = set().union(*(one for _, one in told))
        same = all(len({one[beginning] for _, one in told if beginning in one}) == 1 for beginning in known)
        if same and not any(doubt for doubt, _ in told):
            return
        streams = ranks.gather_at_first(self.told())
        if streams:
            self.decide({client: events for one in streams for client, events in one.items()})

    def _beginnings(self, group: int, lengths: Sequence[int]) -> dict[int, bytes]:
        """Return hashes of a group's stream as far as these rising lengths, those that it has."""
        stream, digest = self.stream(group), hashlib.blake2b()
        told: dict[int, bytes] = {}
        for start, stop in itertools.pairwise([0, *(one for one in lengths if one <= stream.size)]):
            digest.update(stream[start:stop].tobytes())
            told[stop] = digest.digest()
        return told
