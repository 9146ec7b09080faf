"""A server as a process: starts it, reads its output, ends it, and leaves nothing running.

A server may do anything: print a gigabyte, fork, ignore signals, crash. Only the beginning and the end of its output
are kept. Processes that it leaves behind are reported and killed (see `harness.servers.orphans`).
"""

from __future__ import annotations

import contextlib
import errno
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

from harness.addresses import Address
from harness.errors import OF_THE_MACHINE, HarnessError, LaunchError
from harness.model import Implementation, Usage
from harness.processes import own_children, sandbox, warden
from harness.processes.deadlines import completes_within
from harness.processes.output import Output
from harness.processes.proc import require_own_proc
from harness.processes.signals import default_signals
from harness.processes.tasks import background_tasks
from harness.servers import environment, orphans
from harness.servers.resources import Unreadable, usage
from harness.servers.sandboxed import SandboxedProcess, SandboxWatch, start_in
from harness.zoo import build, sandboxes

GRACE_S = 5.0
ORPHANS_GRACE_S = 2.0  # a worker may take a moment to notice that its parent has ended
PIPE_BYTES = 1 << 20
F_SETPIPE_SZ = 1031


@dataclass
class StopResult:
    """How a server ended.

    Attributes:
        seconds: from the signal to its end.
        status: its exit status, negative for a signal.
        killed: whether it had to be killed with SIGKILL.
        left_behind: the commands of the processes that outlived it (they have been killed).
    """

    seconds: float
    status: int
    killed: bool
    left_behind: list[str]


@dataclass(frozen=True)
class Started:
    """A process that has just been started.

    Attributes:
        process: the process; its standard error is a pipe.
        stdout: the descriptor that its standard output is read from.
        at: when, in seconds of `time.monotonic()`.
    """

    process: subprocess.Popen[bytes] | SandboxedProcess
    stdout: int
    at: float

    @property
    def child(self) -> int:
        """The child of this process that it is, or that stands between in a sandbox."""
        return self.process.outer if isinstance(self.process, SandboxedProcess) else self.process.pid

    @property
    def reaper(self) -> int | None:
        """The process that adopts its orphans, in a sandbox; elsewhere this process does."""
        return self.process.init if isinstance(self.process, SandboxedProcess) else None


class Server:
    """A running server; created by `launch()`."""

    def __init__(self, name: str, started: Started, address: Address) -> None:
        self.name, self.process, self.address = name, started.process, address
        self.pid = started.process.pid
        self.stdout, self.stderr = Output(), Output()
        self.ready_s = 0.0
        self.started_at = started.at
        self.stopped: StopResult | None = None
        self.sandbox = SandboxWatch(started.process) if isinstance(started.process, SandboxedProcess) else None
        self._started = started
        self._usage: Usage | None = None

    @property
    def status(self) -> int | None:
        """Its exit status (negative for a signal), None while it runs."""
        return self.process.poll()

    def resource_usage(self) -> Usage | None:
        """Return what it and its descendants use now; after its end what they used when last measured, if ever."""
        with contextlib.suppress(Unreadable):
            if self.status is None and (now := usage(self.pid)).processes:
                self._usage = now
        return self._usage

    def exit_description(self) -> str:
        """Return "exited with status 3" or "was ended by SIGSEGV", for a server that has ended."""
        status = self.status or 0
        ended = f"exited with status {status}"
        if status < 0:
            name = f"signal {-status}"
            with contextlib.suppress(ValueError):  # most real-time signals have no name
                name = signal.Signals(-status).name
            ended = f"was ended by {name}"
        return f"{ended} ({tried})" if (tried := self.what_it_tried()) else ended

    def what_it_tried(self) -> str:
        """Return what its sandbox has refused, if it is in one, as the rest of a sentence, or ""."""
        return self.sandbox.what_it_tried(self.stderr.last_words()) if self.sandbox else ""

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the server if it still runs; first record its resource usage, because it may end now."""
        self.resource_usage()
        if self.status is None:
            self.process.send_signal(number)

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to the server and to all its descendants."""
        warden.signal_all(self.pid, number)

    async def wait(self) -> int:
        """Wait for the end of the process; return its exit status."""
        if self.process.poll() is None and (descriptor := _pidfd(self.pid)) is not None:
            try:
                await anyio.wait_readable(descriptor)
            finally:
                os.close(descriptor)
        while (status := self.process.poll()) is None:
            await anyio.sleep(0.005)  # there is no event to wait for
        return status

    async def stop(self, number: signal.Signals = signal.SIGTERM, grace_s: float = GRACE_S) -> StopResult:
        """Signal the server, kill it after `grace_s` seconds, and kill what it left; a second call has no effect.

        Seconds in which it waits for a processor do not count.
        """
        if self.stopped:
            return self.stopped
        started_at, killed = time.monotonic(), False
        self.send_signal(number)
        if not await completes_within(self.wait, grace_s, self.pid):
            killed = True
            self.signal_all(signal.SIGKILL)
            await self.wait()
        seconds = time.monotonic() - started_at
        own_children.forget(self._started.child)
        left_behind = await orphans.kill(min(grace_s, ORPHANS_GRACE_S), self._started.reaper)
        self.stopped = StopResult(seconds, self.status or 0, killed, left_behind)
        return self.stopped


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
    started: Started | None = None,
) -> AsyncIterator[Server]:
    """Start a server's process, read its output, and end it with the context.

    Args:
        implementation: the server; it is built first if necessary.
        arguments: its command-line arguments.
        address: where it should listen.
        wrap: words put before the command.
        terminal: whether its standard output is a terminal, where the system has any, instead of a pipe.
        drain_stderr: False leaves standard error unread, in a pipe of one page.
        grace_s: how long it may take to end before it is killed.
        started: the process, if it was started before.

    Raises:
        LaunchError: it cannot be built or started.
    """
    if started is None:
        command = await build.ensure_built(implementation)
        started = start(implementation, [*wrap, *command, *arguments], terminal=terminal)
    with os.fdopen(started.stdout, "rb", buffering=0) as stdout:
        server = Server(implementation.name, started, address)
        assert started.process.stderr
        with started.process.stderr as stderr:
            async with background_tasks() as tasks:
                try:
                    tasks.start_soon(_drain, stdout.fileno(), server.stdout)
                    if drain_stderr:
                        tasks.start_soon(_drain, stderr.fileno(), server.stderr)
                    elif sys.platform == "linux":
                        fcntl.fcntl(stderr, F_SETPIPE_SZ, 4096)
                    if server.sandbox:
                        tasks.start_soon(server.sandbox.watch)
                    yield server
                finally:
                    with anyio.CancelScope(shield=True):
                        await server.stop(grace_s=grace_s)


def _pidfd(pid: int) -> int | None:
    """Return a descriptor that is readable when a process has ended, or None where the system has or allows none."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):  # a seccomp filter may refuse the system call
        return None


def _terminal() -> tuple[int, int]:
    """Return the two ends of a terminal, or of a pipe where there are no terminals (a container without /dev/pts)."""
    try:
        reading, writing = os.openpty()
    except OSError:
        return os.pipe()
    tty.setraw(writing)  # no translation of line endings
    return reading, writing


def start(implementation: Implementation, command: Sequence[str], *, terminal: bool = False) -> Started:
    """Start a server's process, in a sandbox if servers run in one.

    Args:
        implementation: the server.
        command: the command and its arguments.
        terminal: whether its standard output is a terminal instead of a pipe.

    Raises:
        LaunchError: it cannot be started.
        HarnessError: this machine cannot start another process.
    """
    require_own_proc()
    warden.become_subreaper()
    try:
        reading, writing = _terminal() if terminal else os.pipe()
    except OSError as error:
        raise HarnessError(f"this machine cannot start another process: {error.strerror}") from None
    at = time.monotonic()
    try:
        process = _start(implementation, command, writing)
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    started = Started(process, reading, at)
    own_children.mark(started.child)
    return started


def discard(started: Started) -> None:
    """End a process that was started in vain."""
    warden.signal_all(started.process.pid, signal.SIGKILL)
    started.process.wait()
    os.close(started.stdout)
    if started.process.stderr:
        started.process.stderr.close()
    own_children.forget(started.child)


def _start(
    implementation: Implementation, command: Sequence[str], stdout: int
) -> subprocess.Popen[bytes] | SandboxedProcess:
    name = implementation.name
    variables = environment.of_server()
    try:
        if sandbox.is_on():
            return start_in(sandboxes.of_server(implementation, command), command, stdout, variables)
        with default_signals():
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                env=variables,
                stderr=subprocess.PIPE,
                start_new_session=True,
                bufsize=0,
            )
    except FileNotFoundError:
        if os.path.exists(command[0]):
            raise LaunchError(
                name,
                f"cannot be started: the interpreter in the first line of {command[0]} does not exist",
                hint="check its #! line",
            ) from None
        raise LaunchError(name, f"cannot be started: there is no file {command[0]}") from None
    except PermissionError:
        hint = f"make it executable: chmod +x {command[0]}"
        if os.path.isdir(command[0]):
            hint = "it is a folder"
        elif os.access(command[0], os.X_OK):
            hint = "this user may not run the interpreter in its first line"
        raise LaunchError(name, f"cannot be started: {command[0]} is not executable", hint=hint) from None
    except OSError as error:
        if error.errno in (errno.EAGAIN, *OF_THE_MACHINE):
            raise HarnessError(f"this machine cannot start another process: {error.strerror}") from None
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
        output.add(data)
