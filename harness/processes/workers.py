"""Worker processes under a warden: one line of JSON in, one line of JSON out.

All servers are launched by workers, so that the end of the harness, by whatever signal, is the end of
everything: the warden above each worker (see `harness.processes.warden`) kills what is below it when its pipe closes.
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

# A module of ours in a process of its own; what lies in the user's folder must not be imported for it.
PYTHON = (sys.executable, "-P", "-m")
LONGEST_LINE = 64 * 1024 * 1024
TAIL_BYTES = 8192


class WorkerDied(HarnessError):
    """A worker process ended, or fell silent, where an answer was due: the harness's own fault."""


class Worker:
    """One worker process; made by `worker()`."""

    def __init__(self, process: Process) -> None:
        assert process.stdin and process.stdout and process.stderr
        self._requests, self._stderr = process.stdin, process.stderr
        self._answers = BufferedByteReceiveStream(process.stdout)
        self._tail = b""

    async def tell(self, line: bytes) -> None:
        """Send one line; raise WorkerDied when nobody is there."""
        try:
            await self._requests.send(line + b"\n")
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise WorkerDied(f"a worker process ended: {self.last_words()}") from None

    async def hear(self, seconds: float) -> bytes:
        """Return the next line; raise WorkerDied when none comes within `seconds`."""
        try:
            with anyio.fail_after(seconds):
                return await self._answers.receive_until(b"\n", LONGEST_LINE)
        except TimeoutError:
            raise WorkerDied(f"a worker process gave no answer in {seconds:.0f} s") from None
        except (anyio.IncompleteRead, anyio.EndOfStream, anyio.BrokenResourceError):
            await anyio.sleep(0.05)  # what it wrote to standard error last may still be on its way
            raise WorkerDied(f"a worker process ended: {self.last_words()}") from None

    async def ask(self, line: bytes, seconds: float) -> bytes:
        """Send one line, return the answer."""
        await self.tell(line)
        return await self.hear(seconds)

    def last_words(self) -> str:
        """Return the end of what the worker wrote to standard error."""
        return self._tail.decode(errors="replace").strip() or "it said nothing"

    async def collect_stderr(self) -> None:
        """Keep the worker's standard error from filling up; runs until it closes."""
        async for data in self._stderr:
            self._tail = (self._tail + data)[-TAIL_BYTES:]


@asynccontextmanager
async def worker(command: Sequence[str], environment: dict[str, str] | None = None) -> AsyncIterator[Worker]:
    """Run `command` as a worker for the length of the context; afterwards nothing of it is left."""
    async with guarded(command, environment=environment) as process, background_tasks() as tasks:
        one = Worker(process)
        tasks.start_soon(one.collect_stderr)
        yield one
