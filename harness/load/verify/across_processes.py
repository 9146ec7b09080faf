"""For a load of several processes: checks that what all their clients have sent and received fits into one order.

Each process has verified its own clients. As long as nothing was in doubt, each group's stream is an order that fits
all its clients, and so is every longer one that begins like it. So if the streams of the same topics are all beginnings
of the longest of them, they fit together. Hashes of their beginnings, each as long as one of them, show that. If they
do not, one process gets everything that was sent and received, and the judge decides.
"""

from __future__ import annotations

import hashlib
import itertools
import tempfile
from collections.abc import Mapping, Sequence

import numpy as np

from harness.load.engine.frame_templates import Int64Array
from harness.load.engine.interface import Engine
from harness.load.processes import LoadProcesses
from harness.load.verify.frames import Sender
from harness.load.verify.histories import ClientHistories

# Deliveries to diverged clients; those beyond are not judged over all processes. That accuses no server wrongly: a
# history with gaps is as lawful as the complete one, for a server may drop any message.
MAX_DELIVERIES = 16_000_000


class CompleteHistory:
    """The history of a load from its beginning; the groups' streams are in a file without a name.

    Args:
        engine: of the load.
        senders: all senders, by the clients' numbers over all processes of the load.
        groups: for each group the topics of its clients.
        groups_of: by client, its group; the caller appends to it for clients that are added later.
        numbers: by client, its number over all processes; clients that are added later have the same in both.

    Attributes:
        clients: the records of the clients.
    """

    def __init__(
        self,
        engine: Engine,
        senders: Sequence[Sender],
        groups: Sequence[tuple[int, ...]],
        groups_of: Sequence[int],
        numbers: Sequence[int],
    ) -> None:
        self._engine, self._groups = engine, groups
        self.clients = ClientHistories(
            engine, senders, len(groups), groups_of, numbers, self._read_stream, max_deliveries=MAX_DELIVERIES
        )
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  it lasts as long as this object
        self._parts: list[list[Int64Array]] = [[] for _ in groups]
        self._counts = [0] * len(groups)

    def keep(self) -> None:
        """Copy what the groups' streams have now, before the engine discards it."""
        for group, count in enumerate(self._counts):
            _, now = self._engine.stream_range(group)
            if now > count:
                at = self._file.seek(0, 2)
                self._file.write(self._engine.stream_codes(group, count, now))
                self._file.flush()
                self._parts[group].append(np.memmap(self._file, np.int64, "r", at, (now - count,)))
                self._counts[group] = now

    def stream(self, group: int) -> Int64Array:
        """Return the codes of a group's stream up to the last `keep`, of shape (n,)."""
        parts = self._parts[group]
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def _read_stream(self, group: int, start: int, stop: int) -> Int64Array:
        return self.stream(group)[start:stop]

    def compare(self, processes: LoadProcesses, *, is_in_doubt: bool) -> None:
        """Compare with the histories of the other processes.

        Args:
            processes: all processes of the load.
            is_in_doubt: whether anything in this one ever was, so that its streams may not fit all its clients.

        Raises:
            Violation: what was sent and received in all processes does not fit into one order.
        """
        counts = processes.gather(dict(zip(self._groups, self._counts, strict=True)))
        hashes: dict[tuple[tuple[int, ...], int], bytes] = {}  # by topics and length of the beginning
        for group, topics in enumerate(self._groups):
            lengths = sorted({by_topics[topics] for by_topics in counts if topics in by_topics})
            hashes |= {(topics, length): digest for length, digest in self._hashes(group, lengths).items()}
        gathered = processes.gather_at_first((is_in_doubt, hashes))  # there may be a hash for each process in each
        if not processes.from_first(
            any(doubt for doubt, _ in gathered) or not _agree([theirs for _, theirs in gathered])
        ):
            return
        all_events = processes.gather_at_first(self.clients.events())
        if all_events:
            self.clients.judge({client: codes for events in all_events for client, codes in events.items()})

    def _hashes(self, group: int, lengths: Sequence[int]) -> dict[int, bytes]:
        """Return hashes of the beginnings of a group's stream, by length; beginnings longer than it are left out.

        Args:
            group: the number of the group.
            lengths: in messages, rising.
        """
        stream, digest = self.stream(group), hashlib.blake2b()
        hashes: dict[int, bytes] = {}
        for start, stop in itertools.pairwise([0, *(length for length in lengths if length <= stream.size)]):
            digest.update(stream[start:stop].tobytes())
            hashes[stop] = digest.digest()
        return hashes


def _agree(hashes: Sequence[Mapping[tuple[tuple[int, ...], int], bytes]]) -> bool:
    """Return whether no two processes have different hashes of the same beginning.

    Args:
        hashes: by process, those of its streams' beginnings by topics and length.
    """
    known: dict[tuple[tuple[int, ...], int], bytes] = {}
    return all(known.setdefault(beginning, its) == its for theirs in hashes for beginning, its in theirs.items())
