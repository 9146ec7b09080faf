"""Runs a command while another process takes a processor for random stretches, a third of the time.

    python -m benchmarks.noise python -m benchmarks.known_differences --runs 4
    python -m benchmarks.noise harness run --all --for 10m

The stretches last between 0.2 and 5 s (their logarithm is uniform), the pauses twice as long: noise of the kind that a
browser or a build on the same machine makes. Prints how much of the time was taken, and ends with the command's exit
status.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import subprocess
import sys
import time

SHORTEST_S, LONGEST_S = 0.2, 5.0
PAUSE = 2.0  # times as long as the stretches


def stretch(chance: random.Random) -> float:
    """Return the length of a stretch, in s."""
    return math.exp(chance.uniform(math.log(SHORTEST_S), math.log(LONGEST_S)))


def make_noise(seed: int, parent: int) -> None:
    """Take a processor for random stretches until the process that wanted it has ended."""
    chance = random.Random(seed)
    while os.getppid() == parent:
        until = time.monotonic() + stretch(chance)
        while time.monotonic() < until:
            pass
        time.sleep(PAUSE * stretch(chance))


def main() -> None:
    """Run the command and make noise beside it."""
    parser = argparse.ArgumentParser(description="Run a command while another process takes a processor at random.")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="of the stretches")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the command and its arguments")
    options = parser.parse_args()
    if not options.command:
        parser.error("no command")
    begun, parent = time.monotonic(), os.getpid()
    noise = subprocess.Popen(
        [sys.executable, "-c", f"from benchmarks.noise import make_noise; make_noise({options.seed}, {parent})"]
    )
    try:
        status = subprocess.run(options.command).returncode
    finally:
        noise.terminate()
        _, _, usage = os.wait4(noise.pid, 0)
    taken, elapsed = usage.ru_utime + usage.ru_stime, time.monotonic() - begun
    print(f"noise: a processor was taken for {taken / elapsed:.0%} of {elapsed:.0f} s; seed {options.seed}")
    sys.exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
