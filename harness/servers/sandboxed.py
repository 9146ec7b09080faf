"""Starts a server in a sandbox, finds its process from outside, and watches that it stays within its limits.

bwrap stands between the harness and the server: one process of it outside, which waits, and one that is process 1 in
the sandbox and adopts orphans. Neither holds the server's standard output, so that its end can be seen; and signals,
resources and deadlines are about the server's own process, whose number here is not the one that it sees itself.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, ClassVar

import anyio

from harness.processes import warden
from harness.processes.sandbox import Sandbox, home
from harness.processes.sandbox_limits import what_exceeds

OUTPUT, STARTED = 3, 4  # descriptors in the sandbox: for the server's standard output; written to when it begins
START = 'echo >&4; exec "$@" >&3 3>&- 4>&-'
LOOK_S, LONGEST_LOOK_S = 0.2, 1.0  # between two looks at what it uses, with one server and with many
SIGNALLED = 128  # bwrap reports the signal that ended a process as a status above this
COUNTERS = (Path("/proc/net/snmp"), Path("/proc/net/snmp6"))
# What programs of all languages print when the sandbox has refused something.
REFUSALS = {
    ("read-only file system", "erofs"): "it tried to write where its sandbox is read-only",
    ("no space left on device", "enospc"): "it filled the private folders of its sandbox",
    ("network is unreachable", "enetunreach"): "it tried to connect to another machine",
    ("file too large", "efbig"): "it wrote a larger file than its sandbox allows",
}


class SandboxedProcess:
    """A server in a sandbox, with what the harness uses of a `subprocess.Popen`.

    Args:
        outer: the pid of the process of bwrap that this process has started.
        stderr: where the server's standard error is read.

    Attributes:
        pid: the server's own process, as it is seen here.
        init: process 1 of the sandbox, as it is seen here; None if everything in it has ended already.
    """

    def __init__(self, outer: int, stderr: BinaryIO) -> None:
        self.outer, self.stderr = outer, stderr
        inside = warden.descendants(outer)[:2]
        self.init = inside[0] if inside else None
        self.pid = inside[-1] if inside else outer
        self._status: int | None = None

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal, or None while it runs."""
        if self._status is None and (ended := os.waitpid(self.outer, os.WNOHANG))[0]:
            status = os.waitstatus_to_exitcode(ended[1])
            self._status = SIGNALLED - status if SIGNALLED < status < SIGNALLED + signal.NSIG else status
        return self._status

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end, and return the exit status.

        Raises:
            subprocess.TimeoutExpired: it has not ended after `timeout` seconds.
        """
        end_s = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if end_s is not None and time.monotonic() > end_s:
                raise subprocess.TimeoutExpired([], timeout or 0.0)
            time.sleep(0.001)  # waitpid(2) has no deadline
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal to the server, if it still runs."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def start_in(sandbox: Sandbox, command: Sequence[str], stdout: int, environment: Mapping[str, str]) -> SandboxedProcess:
    """Start a command in a sandbox, and wait until it has begun.

    Args:
        sandbox: the sandbox.
        command: the command and its arguments.
        stdout: the descriptor that becomes its standard output.
        environment: its variables, of which the sandbox removes most.

    Raises:
        OSError: it cannot be started, for the same reasons as without a sandbox.
    """
    _check_executable(command[0], environment.get("PATH", os.defpath))
    words = sandbox.wrap(command, START)
    started_reader, started = os.pipe()
    errors_reader, errors = os.pipe()
    # Above those that they become, so that no copy overwrites the next original.
    high = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, 10) for each in (errors, stdout, started)]
    for number in (started, errors):
        os.close(number)
    copies = [(os.POSIX_SPAWN_DUP2, source, target) for source, target in zip(high, (2, OUTPUT, STARTED), strict=True)]
    devices = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1)]
    try:
        outer = os.posix_spawnp(
            words[0],
            words,
            environment,
            file_actions=[*devices, *copies, *((os.POSIX_SPAWN_CLOSE, number) for number in _inherited())],
            setpgroup=0,  # Ctrl-C in the terminal is not for it
            setsigmask=(),
            setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
        )
    except BaseException:
        os.close(errors_reader)
        os.close(started_reader)
        raise
    finally:
        for number in high:
            os.close(number)
    try:
        os.read(started_reader, 1)  # until the shell in the sandbox becomes the command, or bwrap has failed
    finally:
        os.close(started_reader)
    return SandboxedProcess(outer, os.fdopen(errors_reader, "rb", buffering=0))


def _inherited() -> list[int]:
    """Return the descriptors that this process has inherited from whatever started it."""
    found = []
    for number in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):  # the one that this loop read from is closed
            if number > STARTED and os.get_inheritable(number):
                found.append(number)
    return found


def _check_executable(program: str, path: str) -> None:
    """Raise the OSError of execve(2) for a program that cannot be run: in the sandbox it would be a shell's message."""
    files = [program] if "/" in program else [os.path.join(folder, program) for folder in path.split(os.pathsep)]
    file = next(filter(os.path.isfile, files), files[0])
    if not os.path.exists(file):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program)
    if not os.access(file, os.X_OK) or os.path.isdir(file):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), program)
    try:
        with open(file, "rb") as opened:
            first = opened.readline(256)
    except PermissionError:  # it may be run, but not read
        return
    if not first.startswith((b"#!", b"\x7fELF")):
        raise OSError(errno.ENOEXEC, os.strerror(errno.ENOEXEC), program)
    if first.startswith(b"#!") and (words := first[2:].split()) and not os.path.exists(words[0]):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program)


@dataclass
class SandboxWatch:
    """Ends a server that uses more than its sandbox allows, and knows what it was refused.

    Attributes:
        process: the server.
        exceeded: what it used too much of, as the rest of a sentence, or "".
    """

    _watches: ClassVar[int] = 0  # of this process, at this moment
    process: SandboxedProcess
    exceeded: str = ""
    _unreachable: int = field(default_factory=lambda: _unreachable_addresses())

    async def watch(self) -> None:
        """Look at what the server uses, until it has ended; end everything in the sandbox if that is too much."""
        SandboxWatch._watches += 1
        try:
            while self.process.init and self.process.poll() is None:
                if exceeded := what_exceeds(self.process.init):
                    self.exceeded = exceeded
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(self.process.init, signal.SIGKILL)
                # The kernel does not report it. Many servers are loaded in turns, whose figures looking would change.
                await anyio.sleep(min(LONGEST_LOOK_S, LOOK_S * SandboxWatch._watches))
        finally:
            SandboxWatch._watches -= 1

    def what_it_tried(self, last_words: str) -> str:
        """Return what the sandbox has refused to the server, as the rest of a sentence, or "".

        Args:
            last_words: the end of its standard error.
        """
        if self.exceeded:
            return self.exceeded
        lower = last_words.lower()
        tried = [sentence for phrases, sentence in REFUSALS.items() if any(phrase in lower for phrase in phrases)]
        # The kernel counts them for all servers together.
        if not tried and _unreachable_addresses() > self._unreachable:
            tried.append("it, or a server beside it, tried to connect to another machine")
        if "no such file" in lower or "enoent" in lower:
            paths = dict.fromkeys(re.findall(rf"{re.escape(str(home()))}/[^\s'\":,]+", last_words))
            tried += [f"it tried to read {path}, which its sandbox hides" for path in paths if os.path.exists(path)]
        return ", and ".join(tried)


def _unreachable_addresses() -> int:
    """Return how often a process of this network, if it is a private one, has used an address that is not in it."""
    count = 0
    if [name for _, name in socket.if_nameindex()] != ["lo"]:
        return count
    for file in COUNTERS:
        with contextlib.suppress(OSError):
            lines = [line.split() for line in file.read_text("ascii").splitlines()]
            for line, after in zip(lines, [*lines[1:], []], strict=True):
                if line[:1] == ["Ip6OutNoRoutes"]:
                    count += int(line[1])
                elif line[:1] == ["Ip:"] and "OutNoRoutes" in line:
                    count += int(after[line.index("OutNoRoutes")])
    return count
