"""The processes of one load, where it has several: each makes the same load with its share of the clients.

They are numbered by rank, as in MPI. Rank 0 is the process that got the request for the load; it starts the others, and
passes on what they send to each other. All processes do the same steps in the same order, so that they exchange values
by a call of `gather` that each of them makes. When one of them ends early or finds a violation, the load ends.

The others may be on other machines (see `harness.load.remote`). Then rank 0 is beside the server, to read what that
uses, and has no clients; and each process has a clock of its own.

A load of one process has a `LoadProcesses` too: it starts nothing, sends nothing, and `gather` returns the value given.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from harness.errors import HarnessError, Inconclusive, Violation
from harness.load.endings import Ending, SharedHindrance, SharedViolation, ending_in, portable, shared

if TYPE_CHECKING:  # a load of one process needs none of it
    from multiprocessing.connection import Connection

T = TypeVar("T")
SILENCE_S = 60.0  # after which a process is considered lost: none computes for so long between two values
PARTS = 60
ENDING_S = 5.0
PR_SET_PDEATHSIG = 1


class FirstProcessLost(Exception):
    """Rank 0 has ended, so the load has no purpose any more."""


class Peer(Protocol):
    """Another process of the load, as rank 0 knows it."""

    def has_ended(self) -> bool:
        """Return whether it has ended."""
        ...

    def how_it_ended(self) -> str:
        """Return how it ended, as the rest of a sentence."""
        ...

    def end(self) -> None:
        """End it, where it has not ended yet, as far as that can be done from here."""
        ...


class ChildPeer:
    """A process of the load that rank 0 has started.

    Args:
        process: the process.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def has_ended(self) -> bool:
        """Return whether it has ended."""
        return self._process.poll() is not None

    def how_it_ended(self) -> str:
        """Return how it ended; it may be about to."""
        try:
            status = self._process.wait(ENDING_S)
        except subprocess.TimeoutExpired:
            return "has closed its connection"
        return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"

    def end(self) -> None:
        """Kill it, and wait for that."""
        self._process.kill()
        self._process.wait()


class LoadProcesses:
    """The processes of a load, as one of them sees them.

    Args:
        rank: the number of this process.
        count: how many processes there are.
        lines: in rank 0, the connections to the others in the order of their ranks; in the others, that to rank 0.
        peers: in rank 0, the others in the order of their ranks, where it has not to start them.
        are_remote: whether all but rank 0 are on other machines.

    Attributes:
        rank: the number of this process.
        count: how many processes there are.
        are_remote: whether all but rank 0 are on other machines.
    """

    def __init__(
        self,
        rank: int = 0,
        count: int = 1,
        lines: Sequence[Connection] = (),
        peers: Sequence[Peer] = (),
        *,
        are_remote: bool = False,
    ) -> None:
        self.rank, self.count, self.are_remote = rank, count, are_remote
        self._lines, self._peers = list(lines), list(peers)
        self._goes_on = False  # after a violation, so that all have to know of it
        self._reported: dict[int, Ending] = {}  # by rank, in rank 0

    # --- shares and clocks

    def share(self, first: int, stop: int) -> range:
        """Return which of the clients from number `first` to before `stop` are those of this process.

        Each n-th process has every n-th client; rank 0 has none if the others are on other machines.
        """
        sharing, place = (self.count - 1, self.rank - 1) if self.are_remote else (self.count, self.rank)
        return range(first + (place - first) % sharing, stop, sharing) if place >= 0 else range(0)

    def same_moment_ns(self) -> int:
        """Return one moment for all processes, in ns of the monotonic clock of each of them.

        On one machine it is the same number in all. Over several machines, whose clocks have nothing in common, it is
        when rank 0's reply has come: these moments differ by the time that a message takes, and no times of two clocks
        are ever compared.
        """
        if self.are_remote:
            self.gather(None)
            return time.monotonic_ns()
        return self.from_first(time.monotonic_ns())

    # --- exchange of values

    def together(self, action: Callable[[], T]) -> T:
        """Do the same in all processes; return the result when all have done it.

        A violation that one of them has found, or what keeps one from going on, ends the action in all of them, so that
        they can go on with another one.

        Args:
            action: what to do.

        Raises:
            Violation: one of the processes has found it.
            Inconclusive: one of the processes cannot go on.
        """
        if self.count == 1:
            return action()
        self._goes_on = True
        try:
            result = action()
            self.gather(None)
            return result
        except (SharedViolation, SharedHindrance):
            raise
        except (Violation, Inconclusive) as ending:
            self.gather(portable(ending))  # raises it as a shared one
            raise
        finally:
            self._goes_on = False
            self._reported.clear()

    def gather(self, value: T) -> list[T]:
        """Return the values that all processes give to this call, in the order of their ranks, when all have made it.

        Raises:
            Violation: in rank 0, when another process has found a violation; in all of them within `together`.
            Inconclusive: likewise, when another process cannot go on.
            HarnessError: in rank 0, when another process has ended.
            FirstProcessLost: in the others, when rank 0 has ended.
        """
        if self.count == 1:
            return [value]
        if self.rank:
            self._send(value)
            reply = self._receive_from_first()
        else:
            values = self._values(value)
            reply = ending_in(values) or values
            for line in self._lines:
                self._reply(line, reply)
        if isinstance(reply, Violation | Inconclusive):
            raise shared(reply)
        return reply  # type: ignore[no-any-return]

    def gather_at_first(self, value: T) -> list[T]:
        """Return the values of all processes in rank 0; the others get [], and do not wait."""
        if self.rank:
            self._send(value)
            return []
        values = self._values(value)
        if ending := ending_in(values):
            raise ending
        return values

    def from_first(self, value: T) -> T:
        """Return the value that rank 0 gives to this call."""
        return self.gather(value)[0]

    def check_others(self) -> None:
        """In rank 0, raise what `gather` would raise, if another process has ended early."""
        for rank, peer in enumerate(self._peers, 1):
            while peer.has_ended():  # an ending comes after the values that it has sent before
                self._receive(rank)

    def report_ending(self, ending: Ending) -> None:
        """Send a violation, or what keeps this process from going on, to rank 0, in the place of the next value."""
        self._send(portable(ending))

    def _values(self, own: Any) -> list[Any]:
        """Return the values of all processes, in rank 0; one that has reported an ending sends no other one."""
        return [own, *(self._reported.get(rank) or self._receive(rank) for rank in range(1, self.count))]

    def _send(self, value: Any) -> None:
        try:
            self._lines[0].send(value)
        except OSError:
            raise FirstProcessLost from None

    def _receive_from_first(self) -> Any:
        try:
            return self._lines[0].recv()
        except (EOFError, OSError):
            raise FirstProcessLost from None

    def _receive(self, rank: int) -> Any:
        line = self._lines[rank - 1]
        try:
            # In parts: of time in which this process was stopped or frozen, at most one part counts.
            if not any(line.poll(SILENCE_S / PARTS) for _ in range(PARTS)):
                raise HarnessError(f"process {rank} of the load's {self.count} has sent nothing for {SILENCE_S:.0f} s")
            received = line.recv()
        except (EOFError, OSError):
            raise HarnessError(f"process {rank} of the load's {self.count} {self._how_it_ended(rank)}") from None
        if isinstance(received, Violation | Inconclusive):
            if not self._goes_on:
                raise received
            self._reported[rank] = received
        return received

    def _reply(self, line: Connection, value: Any) -> None:
        try:
            line.send(value)
        except OSError:
            rank = self._lines.index(line) + 1
            raise HarnessError(f"process {rank} of the load's {self.count} {self._how_it_ended(rank)}") from None

    def _how_it_ended(self, rank: int) -> str:
        return self._peers[rank - 1].how_it_ended()

    # --- beginning and end

    def start(self, request: Any, module: str = "harness.load") -> None:
        """In rank 0, start the other processes, if they do not run yet, and send them the request (see `join_load`).

        Args:
            request: what `join_load` returns in them.
            module: what they run, with the number of a descriptor as its argument.
        """
        from multiprocessing.connection import Pipe

        for rank, line in enumerate(self._lines, 1):
            self._reply(line, (rank, self.count, os.getpid(), request))
        for rank in range(len(self._lines) + 1, self.count):
            ours, theirs = Pipe()
            command = [sys.executable, "-P", "-m", module, str(theirs.fileno())]
            self._lines.append(ours)
            process = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
            self._peers.append(ChildPeer(process))
            theirs.close()
            self._reply(ours, (rank, self.count, os.getpid(), request))

    def close(self) -> None:
        """End the other processes, where they have not ended yet, and wait for that."""
        for line in self._lines:
            line.close()
        for peer in self._peers:
            peer.end()


def join_load(descriptor: int) -> tuple[LoadProcesses, Any]:
    """In a process that `LoadProcesses.start` has started, return the processes and the request.

    The kernel ends this process when rank 0 ends.

    Args:
        descriptor: of the connection to rank 0.

    Raises:
        FirstProcessLost: rank 0 has ended already.
    """
    from multiprocessing.connection import Connection

    line = Connection(descriptor)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    try:
        rank, count, first, request = line.recv()
    except (EOFError, OSError):
        raise FirstProcessLost from None
    if os.getppid() != first:  # it ended before prctl(2) took effect
        raise FirstProcessLost
    return LoadProcesses(rank, count, [line]), request
