"""Installs Debian packages, all in one command."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Sequence

from harness.errors import HarnessError

# RUNLEVEL=1 keeps packages of servers, such as redis-server, from starting a service.
APT_INSTALL = (
    *("env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"),
    *("apt-get", "install", "--yes", "-qq", "--no-install-recommends"),
)


def is_debian() -> bool:
    """Return whether this is Debian or a system derived from it, with apt-get."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return False
    family = {release.get("ID", ""), *release.get("ID_LIKE", "").split()}
    return "debian" in family and shutil.which("apt-get") is not None


def unavailable(packages: Sequence[str]) -> list[str]:
    """Return the packages that the package sources of this machine do not have."""
    output = subprocess.run(
        ["apt-cache", "show", "--no-all-versions", *packages], capture_output=True, text=True, check=False
    ).stdout
    available = {line.removeprefix("Package: ") for line in output.splitlines() if line.startswith("Package: ")}
    return [package for package in packages if package not in available]


def install(packages: Sequence[str]) -> list[str]:
    """Install packages, as root or with sudo; return those that the package sources do not have.

    Raises:
        HarnessError: this is not Debian, there is neither root nor sudo, or apt-get fails.
    """
    if not is_debian():
        raise HarnessError(f"this is not Debian: apt-get cannot install {', '.join(packages)}")
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    if sudo and shutil.which("sudo") is None:
        command = shlex.join(["apt-get", "install", *packages])
        raise HarnessError(f"installing needs root, and sudo is not installed; as root, run: {command}")
    _run([*sudo, "apt-get", "update", "-qq"], fatal=False)  # outdated package lists may be enough
    skipped = unavailable(packages)
    if available := [package for package in packages if package not in skipped]:
        _run([*sudo, *APT_INSTALL, *available])
    return skipped


def _run(command: Sequence[str], *, fatal: bool = True) -> None:
    print(f"+ {shlex.join(command)}", flush=True)
    status = subprocess.run(command, check=False).returncode
    if status and fatal:
        raise HarnessError(f"{command[0]} failed with status {status}; see its output above")
