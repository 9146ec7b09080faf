"""A Dask cluster on this machine, in a process that ends with the harness.

    python -m harness.cluster.local 4

Prints the address of its scheduler, and runs until standard input ends.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import dask
from distributed import LocalCluster

QUIET = Path(__file__).parent / "quiet.yaml"


async def run(workers: int) -> None:
    """Run a cluster until standard input ends.

    Args:
        workers: how many, each a process with one thread.
    """
    dask.config.update(dask.config.config, dask.config.collect([str(QUIET)], env={}))  # nannies give it to workers
    async with LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        memory_limit=None,  # a worker holds nothing: the servers are processes of their own
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",  # any free port
        asynchronous=True,
    ) as cluster:
        print(cluster.scheduler_address, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1])))
