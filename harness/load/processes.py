"""The processes of one load, where it has several: each does the same on its share of the clients, its rank.

Rank 0 is the process that was asked for the load; it starts the others, and they talk through it. All do the same
things in the same order, so that what one tells the others is one call, `gather`, made by all. A rank that ends, or
finds the server at fault, is the end of all.

A load of one process has its `Ranks` too: nothing is started for it, nothing sent, and `gather` returns what it was
given.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from harness.errors import HarnessError, Violation

if TYPE_CHECKING:  # a load of one process needs none of it
    from multiprocessing.connection import Connection

T = TypeVar("T")
SILENCE_S = 60.0  # after which a rank is taken for lost: none computes for so long between two words
ENDING_S = 5.0
PR_SET_PDEATHSIG = 1


class Lost(Exception):
    """Rank 0 has ended: there is nobody to load for."""


class Ranks:
    """One process's place among those of its load.

    Attributes:
        rank: its number.
        count: how many there are.
    """

    def __init__(self, rank: int = 0, count: int = 1, lines: Sequence[Connection] = ()) -> None:
        self.rank, self.count = rank, count
        self._lines = list(lines)  # rank 0: to the others, in their order; another one: to rank 0
        self._processes: list[subprocess.Popen[bytes]] = []

    # --- talking

    def gather(self, value: T) -> list[T]:
        """Return what all ranks give to this call, in the order of their ranks, when all have made it.

        Raises:
            Violation: in rank 0, another one has found the server at fault.
            HarnessError: in rank 0, another one has ended.
            Lost: rank 0 has ended.
        """
        if self.count == 1:
            return [value]
        if self.rank:
            self._send(value)
            return self._hear_from_first()  # type: ignore[no-any-return]
        told = self.collect(value)
        for line in self._lines:
            self._reply(line, told)
        return told

    def collect(self, value: T) -> list[T]:
        """The same for what only rank 0 needs: the others get [], and do not wait."""
        if not self.rank:
            return [value, *map(self._hear, range(1, self.count))]
        self._send(value)
        return []

    def agree(self, value: T) -> T:
        """Return what rank 0 gives to this call."""
        return self.gather(value)[0]

    def look(self) -> None:
        """In rank 0: raise what `gather` would, should another one have ended before the end."""
        for rank, process in enumerate(self._processes, 1):
            while process.poll() is not None:  # its last words are behind what it has told before
                self._hear(rank)

    def found(self, violation: Violation) -> None:
        """Tell rank 0, in the place of the next thing, that the server is at fault."""
        self._send(violation)

    def _send(self, value: Any) -> None:
        try:
            self._lines[0].send(value)
        except OSError:
            raise Lost from None

    def _hear_from_first(self) -> Any:
        try:
            return self._lines[0].recv()
        except (EOFError, OSError):
            raise Lost from None

    def _hear(self, rank: int) -> Any:
        line = self._lines[rank - 1]
        try:
            if not line.poll(SILENCE_S):
                raise HarnessError(f"process {rank} of the load's {self.count} has said nothing for {SILENCE_S:.0f} s")
            told = line.recv()
        except (EOFError, OSError):
            raise HarnessError(f"process {rank} of the load's {self.count} {self._how_it_ended(rank)}") from None
        if isinstance(told, Violation):
            raise told
        return told

    def _reply(self, line: Connection, told: Any) -> None:
        try:
            line.send(told)
        except OSError:
            rank = self._lines.index(line) + 1
            raise HarnessError(f"process {rank} of the load's {self.count} {self._how_it_ended(rank)}") from None

    def _how_it_ended(self, rank: int) -> str:
        try:
            status = self._processes[rank - 1].wait(ENDING_S)
        except subprocess.TimeoutExpired:
            return "has closed its end"
        return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"

    # --- beginning and end

    def start(self, request: Any) -> None:
        """In rank 0: start the others, which get the request (see `join`)."""
        from multiprocessing.connection import Pipe

        for rank in range(1, self.count):
            ours, theirs = Pipe()
            words = [sys.executable, "-P", "-m", "harness.load", str(theirs.fileno())]
            self._lines.append(ours)
            self._processes.append(
                subprocess.Popen(words, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            )
            theirs.close()
            self._reply(ours, (rank, self.count, os.getpid(), request))

    def close(self) -> None:
        """End the others, as far as they have not ended, and wait for that."""
        for line in self._lines:
            line.close()
        for one in self._processes:
            one.kill()
        for one in self._processes:
            one.wait()


def join(descriptor: int) -> tuple[Ranks, Any]:
    """In a process that `Ranks.start` has started: return its place and the request. It ends when rank 0 ends.

    Raises:
        Lost: rank 0 has ended already.
    """
    from multiprocessing.connection import Connection

    line = Connection(descriptor)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    try:
        rank, count, first, request = line.recv()
    except (EOFError, OSError):
        raise Lost from None
    if os.getppid() != first:  # it ended before it was asked about its end
        raise Lost
    return Ranks(rank, count, [line]), request
