"""Worker processes under a warden: one line of JSON in, one line of JSON out.

All servers are launched by workers, so that they end when the harness ends, by whatever signal: the warden above each
worker (see `harness.processes.warden`) kills all its descendants when its pipe closes.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from harness.errors import HarnessError
from harness.processes.guarded import guarded
from harness.processes.tasks import background_tasks

# Runs a module of the harness in a process of its own; -P keeps it from importing files of the user's folder.
PYTHON = (sys.executable, "-P", "-m")
MAX_LINE_BYTES = 64 * 1024 * 1024
TAIL_BYTES = 8192


class WorkerDied(HarnessError):
    """A worker process ended, or did not answer in time: a fault of the harness itself."""


class Worker:
    """One worker process; created by `open_worker()`."""

    def __init__(self, process: Process) -> None:
        assert process.stdin and process.stdout and process.stderr
        self._requests, self._stderr = process.stdin, process.stderr
        self._answers = BufferedByteReceiveStream(process.stdout)
        self._tail = b""

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

        Raises:
            WorkerDied: none came within `seconds`, or the process has ended.
        """
        try:
            with anyio.fail_after(seconds):
                return await self._answers.receive_until(b"\n", MAX_LINE_BYTES)
        except TimeoutError:
            raise WorkerDied(f"a worker process gave no answer in {seconds:.0f} s") from None
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
            self._tail = (self._tail + data)[-TAIL_BYTES:]


@asynccontextmanager
async def open_worker(command: Sequence[str], environment: dict[str, str] | None = None) -> AsyncIterator[Worker]:
    """Run a command as a worker for the duration of the context; it and its descendants end with the context."""
    async with guarded(command, environment=environment) as process, background_tasks() as tasks:
        new_worker = Worker(process)
        tasks.start_soon(new_worker.collect_stderr)
        yield new_worker
