"""Worker processes under a warden: one line of JSON in, one line of JSON out.

All servers are launched by workers, so that they end when the harness ends, by whatever signal: the warden above each
worker (see `harness.processes.warden`) kills all its descendants when its pipe closes.

Workers of one command can be forks of one process, which has imported everything once: see `open_forks`.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
from anyio.abc import Process, UNIXSocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from harness.errors import HarnessError
from harness.processes.deadlines import completes_within
from harness.processes.guarded import guarded
from harness.processes.sandbox import loopback_only
from harness.processes.tasks import background_tasks

# Runs a module of the harness in a process of its own; -P keeps it from importing files of the user's folder.
PYTHON = (sys.executable, "-P", "-m")
MAX_LINE_BYTES = 64 * 1024 * 1024
TAIL_BYTES = 8192


class WorkerDied(HarnessError):
    """A worker process ended, or did not answer in time: a fault of the harness itself."""


class NoAnswer(WorkerDied):
    """A worker process did not answer in time, as it does when what it waits for never comes."""


class Worker:
    """One worker process; created by `open_worker()` or `open_forks()`.

    Args:
        process: the process under a warden.
        channel: carries its requests and answers, instead of the standard input and output of the process.
    """

    def __init__(self, process: Process, channel: UNIXSocketStream | None = None) -> None:
        requests, answers = channel or process.stdin, channel or process.stdout
        assert requests and answers and process.stderr
        self._pid = process.pid  # of its warden
        self._requests, self._stderr = requests, process.stderr
        self._answers = BufferedByteReceiveStream(answers)
        self._tail = bytearray()

    async def send(self, line: bytes) -> None:
        """Send one line.

        Raises:
            WorkerDied: the process has ended.
        """
        try:
            await self._requests.send(line + b"\n")
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise WorkerDied(f"a worker process ended: {self.last_words()}") from None

    async def receive(self, seconds: float) -> bytes:
        """Return the next line.

        Args:
            seconds: how long to wait; time that the worker lost does not count (see `LostTime`).

        Raises:
            NoAnswer: none came within `seconds`.
            WorkerDied: the process has ended.
        """
        lines: list[bytes] = []

        async def read() -> None:
            lines.append(await self._answers.receive_until(b"\n", MAX_LINE_BYTES))

        try:
            if await completes_within(read, seconds, self._pid):
                return lines[0]
            raise NoAnswer(f"a worker process gave no answer in {seconds:.0f} s")
        except (anyio.IncompleteRead, anyio.EndOfStream, anyio.BrokenResourceError):
            await anyio.sleep(0.05)  # the end of its standard error may not have been read yet
            raise WorkerDied(f"a worker process ended: {self.last_words()}") from None

    async def request(self, line: bytes, seconds: float) -> bytes:
        """Send one line; return the answer, which must come within `seconds`."""
        await self.send(line)
        return await self.receive(seconds)

    def last_words(self) -> str:
        """Return the end of what the worker wrote to standard error."""
        return self._tail.decode(errors="replace").strip() or "it wrote nothing to standard error"

    async def collect_stderr(self) -> None:
        """Read the worker's standard error, so that its pipe never fills up; runs until it closes."""
        async for data in self._stderr:
            self._tail += data
            del self._tail[:-TAIL_BYTES]

    def shares_stderr_of(self, other: Worker) -> None:
        """Take the last words from another worker, which collects what both write."""
        self._tail = other._tail


@asynccontextmanager
async def open_worker(command: Sequence[str], environment: dict[str, str] | None = None) -> AsyncIterator[Worker]:
    """Run a command as a worker for the duration of the context; it and its descendants end with the context.

    If servers run in a sandbox, the worker is in a network of its own, and they and all clients with it.
    """
    async with guarded([*loopback_only(), *command], environment=environment) as process, background_tasks() as tasks:
        new_worker = Worker(process)
        tasks.start_soon(new_worker.collect_stderr)
        yield new_worker


@asynccontextmanager
async def open_forks(command: Sequence[str], count: int) -> AsyncIterator[list[Worker]]:
    """Run a command that forks several workers for the duration of the context; all end with the context.

    Args:
        command: a word that contains "{channels}" becomes the descriptors of the workers' channels, e.g. "5,7": each is
            a socket for the requests and answers of one worker (see `harness.processes.forks`).
        count: how many workers.
    """
    async with AsyncExitStack() as stack:
        pairs = [socket.socketpair() for _ in range(count)]
        channels = [theirs.fileno() for _, theirs in pairs]
        words = [word.replace("{channels}", ",".join(map(str, channels))) for word in [*loopback_only(), *command]]
        try:
            process = await stack.enter_async_context(guarded(words, stdin=subprocess.DEVNULL, pass_fds=channels))
        finally:
            for _, theirs in pairs:
                theirs.close()
        streams = [await stack.enter_async_context(await UNIXSocketStream.from_socket(ours)) for ours, _ in pairs]
        workers = [Worker(process, stream) for stream in streams]
        for worker in workers[1:]:
            worker.shares_stderr_of(workers[0])
        tasks = await stack.enter_async_context(background_tasks())
        tasks.start_soon(workers[0].collect_stderr)
        yield workers
