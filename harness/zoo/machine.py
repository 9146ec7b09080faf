"""What this machine is, and which versions of what are on it: it stands beside every figure."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from harness.model import Implementation, Machine
from harness.zoo.toolchains import needs

PACKAGES = ("anyio", "msgspec", "numpy", "pluggy", "psutil", "pytest", "twisted")


def describe() -> Machine:
    """Return what this machine is."""
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        kernel=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        packages={name: found for name in PACKAGES if (found := _version(name))},
    )


def toolchains(implementations: Sequence[Implementation]) -> dict[str, str]:
    """Return name and version of each tool that these servers need, where it is here."""
    found = {one.need.name: one for one in needs.survey(implementations) if one.version}
    return {name: f"{name} {one.version}" for name, one in sorted(found.items()) if name and name not in PACKAGES}


def commit() -> str:
    """Return the commit of the checkout this harness runs from, "+" behind it when it has changes; or ""."""
    here = Path(__file__).parent.parent.parent
    try:
        words = ["git", "-C", str(here), "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists() and (match := re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE)):
        return match[1].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
