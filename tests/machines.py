"""Machines of a Dask cluster on this one: hosts that are network namespaces, with a scheduler and workers on them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from harness import results
from harness.model import Run
from harness.network import Network
from tests.hosts import Host, hosts

ROOT = Path(__file__).parent.parent
HARNESS = [sys.executable, "-c", "from harness.commands.main import main; main()"]
PORT = 8786
PATIENCE_S = 300
LISTENING, REGISTERED = "Scheduler at:", "Registered to:"  # what they say when they are ready
# A worker whose scheduler does not answer in time ends; on a busy machine that may take longer than Dask's 30 s.
PATIENT = ["env", f"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT={PATIENCE_S}s"]
OF_DASK = ("dask_worker", "dask_scheduler", "multiprocessing")
QUIET = ["env", f"DASK_CONFIG={ROOT / 'harness' / 'cluster' / 'quiet.yaml'}"]


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


@dataclass
class Machines:
    """Hosts: a scheduler and the client are on the first one, and a worker on each of the others."""

    every: list[Host]
    switch: str
    folder: Path

    @property
    def scheduler(self) -> str:
        return f"tcp://{self.every[0].address}:{PORT}"

    def start(self, prefix: Sequence[str] = ()) -> None:
        """Start the scheduler and all workers, these with some words before their commands."""
        command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", self.every[0].address]
        log = self.log("scheduler")
        self.every[0].popen([*QUIET, *command, "--port", str(PORT), "--no-dashboard"], folder=ROOT, log=log)
        wait_until(lambda: LISTENING in log.read_text(), "the scheduler")
        for number in range(1, len(self.every)):
            self.start_worker(number, prefix)

    def start_worker(self, number: int, prefix: Sequence[str] = ()) -> None:
        command = [sys.executable, "-m", "distributed.cli.dask_worker", self.scheduler, "--name", f"host{number}"]
        options = ["--nthreads", "1", "--memory-limit", "0", "--no-dashboard", "--local-directory", str(self.folder)]
        log = self.log(f"host{number}")
        starts = log.read_text().count(REGISTERED) if log.exists() else 0
        self.every[number].popen([*prefix, *PATIENT, *QUIET, *command, *options], folder=ROOT, log=log)
        wait_until(lambda: log.read_text().count(REGISTERED) > starts, f"the worker on host{number}")

    def client(self, *words: str) -> subprocess.Popen[bytes]:
        return self.every[0].popen([*HARNESS, *words], folder=self.folder, log=self.log("client"))

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def blocks(self) -> int:
        """Return how many blocks are on the client's disk."""
        file = self.folder / "results" / "latest" / "blocks.jsonl"
        return file.read_bytes().count(b"\n") if file.exists() else 0


@contextmanager
def open_machines(
    count: int, folder: Path, network: Network | None = None, *, prefix: Sequence[str] = ()
) -> Iterator[Machines]:
    """Make hosts with a scheduler and workers on them for the duration of the context.

    Args:
        count: how many hosts.
        folder: for what they write.
        network: what happens to each packet that leaves one; None for nothing.
        prefix: words before the command of each worker.
    """
    with hosts(count, network) as (every, switch):
        found = Machines(every, switch, folder)
        found.start(prefix)
        yield found


def run_in(folder: Path) -> Run:
    return results.read(results.find(str(folder / "results" / "latest")))


def left(host: Host) -> list[str]:
    """Return the processes on a host that are no part of Dask."""
    lines = []
    for pid in host.processes:
        with suppress(psutil.Error):  # it has ended meanwhile
            lines.append(" ".join(psutil.Process(pid).cmdline()))
    return [line for line in lines if not any(word in line for word in OF_DASK)]
