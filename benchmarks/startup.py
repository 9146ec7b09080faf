"""How long the command line takes to start, as a multiple of `python -c pass` of the same interpreter.

    python -m benchmarks.startup [--rounds N]

In each round every command runs once, in random order, so that whatever else the machine does falls on all alike. The
first round is not counted: it fills the caches of compiled modules and of what tools answered. Printed is the median
of the ratios of the rounds, with the quartiles. Exit status: 0 if all are within their limits, 1 if not.
"""

from __future__ import annotations

import argparse
import platform
import random
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tabulate import tabulate

BASE = "python -c pass"
# Command → the largest ratio that is allowed; None for those that are only shown.
LIMITS: dict[str, float | None] = {
    "--version": 4,
    "--help": 4,
    "list": 12,
    "explain BC-FRAME-2": 12,
    "check --help": None,
    "run --help": None,
    "doctor --help": None,
}


def seconds(words: list[str]) -> float:
    """Run a command; return how long it took."""
    begun = time.perf_counter()
    subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun


def script() -> str:
    """Return the path of `harness` beside this Python."""
    found = shutil.which("harness", path=str(Path(sys.executable).parent))
    if not found:
        raise SystemExit("harness is not installed beside this Python: make setup")
    return found


def measure(rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each command, round by round."""
    commands = {BASE: [sys.executable, "-c", "pass"]} | {line: [script(), *line.split()] for line in LIMITS}
    times: dict[str, list[float]] = {line: [] for line in commands}
    for number in range(rounds + 1):
        for line in random.sample(list(commands), len(commands)):
            taken = seconds(commands[line])
            if number:
                times[line].append(taken)
    return times


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=30, metavar="N", help="Run each command N times (at least 2).")
    rounds = max(parser.parse_args().rounds, 2)
    times = measure(rounds)
    rows, missed = [], []
    for line, limit in LIMITS.items():
        ratios = [taken / base for taken, base in zip(times[line], times[BASE], strict=True)]
        low, median, high = statistics.quantiles(ratios, n=4)
        verdict = "" if limit is None else "ok" if median <= limit else "MISSED"
        missed += [line] if verdict == "MISSED" else []
        shown = "" if limit is None else f"≤ {limit:g}"
        rows.append(
            [
                f"harness {line}",
                f"{statistics.median(times[line]) * 1e3:.0f}",
                f"{median:.1f}",
                f"{low:.1f}–{high:.1f}",
                shown,
                verdict,
            ]
        )
    print(f"{platform.python_implementation()} {platform.python_version()}, {rounds} rounds")
    print(f"{BASE}: {statistics.median(times[BASE]) * 1e3:.0f} ms\n")
    print(tabulate(rows, ["command", "ms", "ratio", "quartiles", "limit", ""], disable_numparse=True))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
