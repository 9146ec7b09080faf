"""The processes of one load, where it has several: each makes the same load with its share of the clients.

They are numbered by rank, as in MPI. Rank 0 is the process that got the request for the load; it starts the others, and
passes on what they send to each other. All processes do the same steps in the same order, so that they exchange values
by a call of `gather` that each of them makes. When one of them ends early or finds a violation, the load ends.

A load of one process has a `LoadProcesses` too: it starts nothing, sends nothing, and `gather` returns the value given.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from harness.errors import HarnessError, Violation

if TYPE_CHECKING:  # a load of one process needs none of it
    from multiprocessing.connection import Connection

T = TypeVar("T")
SILENCE_S = 60.0  # after which a process is considered lost: none computes for so long between two values
PARTS = 60
ENDING_S = 5.0
PR_SET_PDEATHSIG = 1


class FirstProcessLost(Exception):
    """Rank 0 has ended, so the load has no purpose any more."""


class SharedViolation(Violation):
    """A violation that all processes of the load know of."""


class LoadProcesses:
    """The processes of a load, as one of them sees them.

    Args:
        rank: the number of this process.
        count: how many processes there are.
        lines: in rank 0, the connections to the others in the order of their ranks; in the others, that to rank 0.

    Attributes:
        rank: the number of this process.
        count: how many processes there are.
    """

    def __init__(self, rank: int = 0, count: int = 1, lines: Sequence[Connection] = ()) -> None:
        self.rank, self.count = rank, count
        self._lines = list(lines)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._goes_on = False  # after a violation, so that all have to know of it
        self._reported: dict[int, Violation] = {}  # by rank, in rank 0

    # --- exchange of values

    def together(self, action: Callable[[], T]) -> T:
        """Do the same in all processes; return the result when all have done it.

        A violation that one of them has found ends the action in all of them, so that they can go on with another one.

        Args:
            action: what to do.

        Raises:
            Violation: one of the processes has found it.
        """
        if self.count == 1:
            return action()
        self._goes_on = True
        try:
            result = action()
            self.gather(None)
            return result
        except SharedViolation:
            raise
        except Violation as violation:
            self.gather(violation)  # raises it as a shared one
            raise
        finally:
            self._goes_on = False
            self._reported.clear()

    def gather(self, value: T) -> list[T]:
        """Return the values that all processes give to this call, in the order of their ranks, when all have made it.

        Raises:
            Violation: in rank 0, when another process has found a violation; in all of them within `together`.
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
            reply = _violation_in(values) or values
            for line in self._lines:
                self._reply(line, reply)
        if isinstance(reply, Violation):
            raise SharedViolation(str(reply))
        return reply  # type: ignore[no-any-return]

    def gather_at_first(self, value: T) -> list[T]:
        """Return the values of all processes in rank 0; the others get [], and do not wait."""
        if self.rank:
            self._send(value)
            return []
        values = self._values(value)
        if violation := _violation_in(values):
            raise violation
        return values

    def from_first(self, value: T) -> T:
        """Return the value that rank 0 gives to this call."""
        return self.gather(value)[0]

    def check_others(self) -> None:
        """In rank 0, raise what `gather` would raise, if another process has ended early."""
        for rank, process in enumerate(self._processes, 1):
            while process.poll() is not None:  # a violation comes after the values that it has sent before
                self._receive(rank)

    def report_violation(self, violation: Violation) -> None:
        """Send a violation to rank 0, in the place of the next value."""
        self._send(violation)

    def _values(self, own: Any) -> list[Any]:
        """Return the values of all processes, in rank 0; a process that has reported a violation sends no other one."""
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
        if isinstance(received, Violation):
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
        try:
            status = self._processes[rank - 1].wait(ENDING_S)
        except subprocess.TimeoutExpired:
            return "has closed its connection"
        return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"

    # --- beginning and end

    def start(self, request: Any, module: str = "harness.load") -> None:
        """In rank 0, start the other processes and send them the request (see `join_load`).

        Args:
            request: what `join_load` returns in them.
            module: what they run, with the number of a descriptor as its argument.
        """
        from multiprocessing.connection import Pipe

        for rank in range(1, self.count):
            ours, theirs = Pipe()
            command = [sys.executable, "-P", "-m", module, str(theirs.fileno())]
            self._lines.append(ours)
            self._processes.append(
                subprocess.Popen(
                    command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
                )
            )
            theirs.close()
            self._reply(ours, (rank, self.count, os.getpid(), request))

    def close(self) -> None:
        """End the other processes, where they have not ended yet, and wait for that."""
        for line in self._lines:
            line.close()
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()


def _violation_in(values: Sequence[object]) -> Violation | None:
    return next((value for value in values if isinstance(value, Violation)), None)


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
