"""Helpers of several tests: the servers under `tests/mutants/`, and the command line as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.model import Implementation

HERE = Path(__file__).parent
MISFITS = HERE / "mutants" / "misfits"
MUTANTS = HERE / "mutants" / "broadcast"
CONFORMING = MUTANTS / "server.py"
COMMAND_S = 240


def implementation(path: Path) -> Implementation:
    """Return a server of ours as a record of the model."""
    return Implementation(name=path.stem, spec="broadcast", run=(str(path),))


def command(*words: str) -> list[str]:
    """Return the words that run the command line under this Python."""
    return [sys.executable, "-c", "from harness.commands.main import main; main()", *words]


def harness(
    *words: str | Path, folder: Path, columns: int = 80, seconds: float = COMMAND_S
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a folder; return what it printed and its status."""
    return subprocess.run(
        command(*map(str, words)),
        cwd=folder,
        env={**os.environ, "COLUMNS": str(columns)},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def lines_of(text: str) -> Sequence[str]:
    """Return the lines of a text that are not blank."""
    return [line for line in text.splitlines() if line.strip()]
