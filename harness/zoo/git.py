"""Asks git about a folder, regardless of its owner and of the repository that the environment names."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path


def run_git(words: Sequence[str], folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Run git in a folder and return its output.

    A repository that belongs to another user is trusted: its code runs in this process, or is about to be run.

    Raises:
        OSError: git is not installed.
    """
    # In a hook, git sets GIT_DIR and others, which would lead to the repository of the hook.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True)
