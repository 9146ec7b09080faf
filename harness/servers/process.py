"""A server as a process: start it, read what it prints, end it, leave nothing.

A server may do anything here: print a gigabyte, fork, ignore signals, die. What it prints is read as it
comes and forgotten but for the ends of it; what it leaves behind is found because this process is a
subreaper (see `harness.processes.warden`), told, and killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
import tty
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import anyio.abc
import psutil

from harness.addresses import Address
from harness.errors import LaunchError
from harness.model import Implementation, Usage
from harness.processes import warden
from harness.processes.deadlines import in_time
from harness.processes.output import Output, shortened
from harness.processes.tasks import background_tasks
from harness.servers.resources import usage
from harness.zoo import build

GRACE_S = 5.0
ORPHANS_GRACE_S = 2.0  # a worker may take a moment to notice that its parent has ended
PIPE_BYTES = 1 << 20
# What would hide a fault: a Python server that forgets to flush must be found out wherever the harness runs.
NOT_FOR_SERVERS = ("PYTHONUNBUFFERED", "PYTHONDEVMODE", "PYTHONASYNCIODEBUG")
F_SETPIPE_SZ = 1031

_ours: set[int] = set()  # children of this process that are no server's orphans


@dataclass
class Stopped:
    """How a server ended.

    Attributes:
        seconds: from the signal to its end.
        status: its exit status, negative for a signal.
        killed: whether it had to be killed.
        left_behind: the commands of the processes that outlived it (they are killed by now).
    """

    seconds: float
    status: int
    killed: bool
    left_behind: list[str]


class Server:
    """A running server; made by `launch()`."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], address: Address) -> None:
        self.name, self.process, self.address = name, process, address
        self.pid = process.pid
        self.stdout, self.stderr = Output(), Output()
        self.ready_s = 0.0
        self.started_at = time.monotonic()
        self.stopped: Stopped | None = None
        self._used: Usage | None = None

    @property
    def status(self) -> int | None:
        """Its exit status (negative: the signal), None while it runs."""
        return self.process.poll()

    def used(self) -> Usage | None:
        """Return what it and all below it use now; when it has ended, what is known from before, if anything."""
        if self.status is None and (now := usage(self.pid)).processes:
            self._used = now
        return self._used

    def how_it_ended(self) -> str:
        """Return "exited with status 3" or "was ended by SIGSEGV", for a server that has ended."""
        status = self.status or 0
        if status >= 0:
            return f"exited with status {status}"
        try:
            return f"was ended by {signal.Signals(-status).name}"
        except ValueError:
            return f"was ended by signal {-status}"

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the server, if it still runs; note what it uses, for it may be the last occasion."""
        self.used()
        if self.status is None:
            self.process.send_signal(number)

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to the server and to everything it has started."""
        for pid in [self.pid, *warden.descendants(self.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    async def ended(self) -> int:
        """Wait for the process's end; return its status."""
        if hasattr(os, "pidfd_open") and self.process.poll() is None:
            descriptor = os.pidfd_open(self.pid)
            try:
                await anyio.wait_readable(descriptor)
            finally:
                os.close(descriptor)
        while (status := self.process.poll()) is None:
            await anyio.sleep(0.005)  # another process's end sets no event of ours
        return status

    async def stop(self, number: signal.Signals = signal.SIGTERM, grace_s: float = GRACE_S) -> Stopped:
        """Signal the server, kill it after `grace_s` seconds, kill what it left; a second call changes nothing.

        Seconds in which it waits for a processor do not count.
        """
        if self.stopped:
            return self.stopped
        begun, killed = time.monotonic(), False
        self.send_signal(number)
        if not await in_time(self.ended, grace_s, self.pid):
            killed = True
            self.signal_all(signal.SIGKILL)
            await self.ended()
        seconds = time.monotonic() - begun
        _ours.discard(self.pid)
        left = await _kill_orphans(min(grace_s, ORPHANS_GRACE_S))
        self.stopped = Stopped(seconds, self.status or 0, killed, left)
        return self.stopped


def _orphans() -> list[int]:
    """Return the children of this process that it did not start: what servers that ended left behind."""
    with contextlib.suppress(ChildProcessError):
        for pid in set(warden.children(os.getpid())) - _ours:
            os.waitpid(pid, os.WNOHANG)
    return [pid for pid in warden.children(os.getpid()) if pid not in _ours]


async def _kill_orphans(grace_s: float) -> list[str]:
    """Kill orphans and all below them that are still there after `grace_s`; return their commands."""
    deadline = time.monotonic() + grace_s
    while _orphans() and time.monotonic() < deadline:
        await anyio.sleep(0.01)  # nobody tells when somebody else's child ends
    commands: dict[int, str] = {}  # what is dying already has none to tell
    while orphans := _orphans():
        for orphan in orphans:
            for pid in [orphan, *warden.descendants(orphan)]:
                with contextlib.suppress(psutil.Error):
                    process = psutil.Process(pid)
                    if pid not in commands and process.status() != psutil.STATUS_ZOMBIE:
                        commands[pid] = shortened(" ".join(process.cmdline()) or process.name())
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
        await anyio.sleep(0.002)
    return list(dict.fromkeys(commands.values()))


def adopt(pid: int) -> None:
    """Say that a child of this process is no server's orphan."""
    _ours.add(pid)


@asynccontextmanager
async def spawn(
    implementation: Implementation,
    arguments: Sequence[str],
    address: Address,
    *,
    wrap: Sequence[str] = (),
    terminal: bool = False,
    drain_stderr: bool = True,
    grace_s: float = GRACE_S,
) -> AsyncIterator[Server]:
    """Start the process with these arguments, read its output, and end it with the context.

    Args:
        address: where it should listen if all goes well.
        wrap: words put before the command.
        terminal: whether its standard output is a terminal instead of a pipe.
        drain_stderr: False leaves standard error unread, in a pipe of one page.
        grace_s: how long it may take to end before it is killed.

    Raises:
        LaunchError: it cannot be started at all.
    """
    warden.become_subreaper()
    command = await build.built(implementation)
    reading, writing = _terminal() if terminal else os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as stdout:
        try:
            process = _start(implementation.name, [*wrap, *command, *arguments], writing)
        finally:
            os.close(writing)
        _ours.add(process.pid)
        server = Server(implementation.name, process, address)
        assert process.stderr
        with process.stderr as stderr:
            async with background_tasks() as tasks:
                try:
                    tasks.start_soon(_drain, stdout.fileno(), server.stdout)
                    if drain_stderr:
                        tasks.start_soon(_drain, stderr.fileno(), server.stderr)
                    elif sys.platform == "linux":
                        fcntl.fcntl(stderr, F_SETPIPE_SZ, 4096)
                    yield server
                finally:
                    with anyio.CancelScope(shield=True):
                        await server.stop(grace_s=grace_s)


def _terminal() -> tuple[int, int]:
    reading, writing = os.openpty()
    tty.setraw(writing)  # no translation of line ends
    return reading, writing


def _start(name: str, command: Sequence[str], stdout: int) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            env={name: value for name, value in os.environ.items() if name not in NOT_FOR_SERVERS},
            stderr=subprocess.PIPE,
            start_new_session=True,
            bufsize=0,
        )
    except FileNotFoundError:
        if os.path.exists(command[0]):
            raise LaunchError(
                name,
                f"cannot be started: the interpreter that the first line of {command[0]} names is not here",
                likely="look at its #! line",
            ) from None
        raise LaunchError(name, f"cannot be started: there is no file {command[0]}") from None
    except PermissionError:
        likely = f"make it executable: chmod +x {command[0]}"
        if os.path.isdir(command[0]):
            likely = "it is a folder"
        raise LaunchError(name, f"cannot be started: {command[0]} is not executable", likely=likely) from None
    except OSError as error:
        raise LaunchError(
            name,
            f"cannot be started: {command[0]}: {error.strerror}",
            expected="an executable for this machine, or a script that begins with a #! line",
        ) from None


async def _drain(descriptor: int, output: Output) -> None:
    os.set_blocking(descriptor, False)
    while not output.closed:
        await anyio.wait_readable(descriptor)
        try:
            data = os.read(descriptor, PIPE_BYTES)
        except BlockingIOError:
            continue
        except OSError:  # a terminal ends with EIO
            data = b""
        output.take(data)
