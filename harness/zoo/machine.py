"""Describes this machine and its software versions, which are recorded with every figure."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from harness.machines import Machine
from harness.model import Implementation
from harness.plugins import IS_INSTALLED
from harness.zoo.git import run_git
from harness.zoo.toolchains import needs

PACKAGES = ("anyio", "msgspec", "numpy", "pluggy", "psutil", "pytest", "twisted")


def describe() -> Machine:
    """Return the processor, memory, kernel and Python of this machine, and the versions of some packages."""
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        kernel=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        packages={name: installed for name in PACKAGES if (installed := _version(name))},
    )


def toolchains(implementations: Sequence[Implementation]) -> dict[str, str]:
    """Return name and version of each installed tool that these servers need."""
    versions = {status.need.name: status.version for status in needs.survey(implementations) if status.version}
    return {name: f"{name} {number}" for name, number in sorted(versions.items()) if name and name not in PACKAGES}


def commit() -> str:
    """Return the commit of the checkout that this harness runs from, with "+" if it has changes; "" without one."""
    if IS_INSTALLED:  # a repository around it is not this project's
        return ""
    checkout = Path(__file__).parent.parent.parent
    try:
        described = run_git(["describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"], checkout)
    except OSError:
        return ""
    return "" if described.returncode else described.stdout.decode().strip()


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists() and (
        match := re.search(r"^model name\s*:\s*(.+)$", info.read_text("utf-8", errors="replace"), re.MULTILINE)
    ):
        return match[1].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
