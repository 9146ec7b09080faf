"""Installs Debian packages, all that are missing in one command; says so where that cannot be."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Sequence

from harness.errors import HarnessError

INSTALL = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes", "-qq", "--no-install-recommends")


def is_here() -> bool:
    """Return whether this is Debian, or a system that is made from it."""
    try:
        about = platform.freedesktop_os_release()
    except OSError:
        return False
    family = {about.get("ID", ""), *about.get("ID_LIKE", "").split()}
    return "debian" in family and shutil.which("apt-get") is not None


def unknown(packages: Sequence[str]) -> list[str]:
    """Return those that Debian does not have here."""
    said = subprocess.run(
        ["apt-cache", "show", "--no-all-versions", *packages], capture_output=True, text=True, check=False
    ).stdout
    there = {line.removeprefix("Package: ") for line in said.splitlines() if line.startswith("Package: ")}
    return [one for one in packages if one not in there]


def install(packages: Sequence[str]) -> list[str]:
    """Install packages, as root or with sudo; return those that Debian does not have here.

    Raises:
        HarnessError: this is not Debian, nobody may install here, or apt-get fails.
    """
    if not is_here():
        raise HarnessError(f"this is not Debian, and apt-get is not what installs {', '.join(packages)} here")
    become = [] if os.geteuid() == 0 else ["sudo"]
    if become and shutil.which("sudo") is None:
        words = shlex.join(["apt-get", "install", *packages])
        raise HarnessError(f"who is not root needs sudo to install, which is not here; as root: {words}")
    _run([*become, "apt-get", "update", "-qq"], fatal=False)  # old lists may do
    lacking = unknown(packages)
    if wanted := [one for one in packages if one not in lacking]:
        _run([*become, *INSTALL, *wanted])
    return lacking


def _run(words: Sequence[str], *, fatal: bool = True) -> None:
    print(f"+ {shlex.join(words)}", flush=True)
    status = subprocess.run(words, check=False).returncode
    if status and fatal:
        raise HarnessError(f"{words[0]} failed with status {status}; what it says stands above")
