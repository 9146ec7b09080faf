"""The sandbox in which servers and builds of strangers run, made by bubblewrap (bwrap).

A command in it sees the system read-only, a private home and /tmp of limited size, and only its own processes. The
network is limited elsewhere: the worker processes of the harness, and so all servers and clients, are together in a
network namespace with nothing but the loopback interface (see `harness.processes.loopback_only`). docs/sandbox.md says
what is protected and why it is done so.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# Environment variable: "on", "off" or "auto", as for --sandbox; the commands set it to what they have decided, and
# their worker processes inherit it.
VARIABLE = "ZILLIONS_SANDBOX"
BWRAP = "bwrap"
LOOPBACK_ONLY = (sys.executable, "-I", "-S", str(Path(__file__).with_name("loopback_only.py")))
INSTALL = "apt-get install bubblewrap"
MIB = 1 << 20
PROBE_S = 20.0
# The system: what is not in these folders does not exist in the sandbox.
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/nix", "/gnu")
MORE_OF_SYSTEM = ("/var/lib", "/sys/devices/system", "/sys/fs/cgroup", "/sys/kernel/mm")
READ_ONLY_PROC = ("sys", "sysrq-trigger", "irq", "bus", "fs", "scsi", "acpi")  # root could write there
SEARCHED = ("/etc", "/opt", "/var/lib")  # for what not everybody may read
NO_HOME = Path("/home/server")  # where this user has no home of its own
KEPT_VARIABLES = re.compile(r"LANG|LANGUAGE|LC_\w+|TZ|TERM|(?!XDG_)\w+_(HOME|ROOT)|\w*PATH")
# How this machine reaches registries.
NETWORK_VARIABLES = re.compile(
    r"(?i:(https?|no|all)_proxy)|GOPROXY|GOSUMDB|GOFLAGS|(\w+_)?SSL_CERT_(FILE|DIR)|NODE_EXTRA_CA_CERTS"
)
# The limits that only the process itself can set; its memory goes first when the machine has none left.
LIMITS = "ulimit -c 0; ulimit -f {blocks} 2>&-; ulimit -p {tasks} 2>&-; echo 1000 > /proc/self/oom_score_adj"
BLOCK_BYTES = 512  # of ulimit -f


def is_on() -> bool:
    """Return whether servers and builds run in a sandbox, as the command line or the environment says."""
    return os.environ.get(VARIABLE) == "on"


def loopback_only() -> list[str]:
    """Return the words before the command of a worker process whose servers shall reach nothing but loopback."""
    return [*LOOPBACK_ONLY] if is_on() else []


@cache
def why_impossible() -> str:
    """Return why this machine has no sandbox, as a sentence; "" if a trial succeeded."""
    if sys.platform != "linux":
        return "the sandbox needs Linux"
    if not shutil.which(BWRAP):
        return f"{BWRAP} is not installed: {INSTALL}"
    trials = {
        BWRAP: Sandbox().wrap(["/bin/true"]),
        "a network without interfaces": [*LOOPBACK_ONLY, "/bin/true"],
    }
    for name, words in trials.items():
        try:
            ended = subprocess.run(words, capture_output=True, text=True, timeout=PROBE_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{name} does not work here: {error}"
        if ended.returncode:
            reason = ended.stderr.strip() or f"it exited with status {ended.returncode}"
            return f"{name} does not work here: {reason}"
    return ""


def home() -> Path:
    """Return the home of this user: the sandbox has an empty one at the same place."""
    found = Path(os.path.expanduser("~"))
    return found if found.is_absolute() and len(found.parts) > 1 and not Path("/tmp").is_relative_to(found) else NO_HOME


@dataclass(frozen=True)
class Sandbox:
    """What a command may see, write and use.

    Attributes:
        readable: files and folders that it sees read-only, besides the system.
        writable: folders that it may write to; what it writes stays.
        hidden: files and folders below the readable ones that it sees empty.
        temporary_bytes: the size of its /tmp and of its home; what it writes there is gone afterwards.
        file_bytes: the size of any file that it writes.
        tasks: how many processes and threads it may have; the kernel does not hold root to that.
        reaches_network: whether it keeps the variables that say how to reach registries.
        ends_with_parent: whether everything in it ends with the process that started it.
    """

    readable: Sequence[Path] = ()
    writable: Sequence[Path] = ()
    hidden: Sequence[Path] = ()
    temporary_bytes: int = 256 * MIB
    file_bytes: int = 1024 * MIB
    tasks: int = 32_768
    reaches_network: bool = False
    ends_with_parent: bool = False

    def wrap(self, command: Sequence[str], then: str = 'exec "$@"', folder: Path | None = None) -> list[str]:
        """Return the words that run a command in this sandbox.

        Args:
            command: the command and its arguments.
            then: shell code that starts it, after its limits were set.
            folder: its working directory; by default its private home.
        """
        limits = LIMITS.format(blocks=self.file_bytes // BLOCK_BYTES, tasks=self.tasks)
        return [
            *self._environment(),
            BWRAP,
            *("--unshare-user", "--unshare-pid", "--unshare-ipc", "--disable-userns"),
            *("--cap-drop", "ALL", "--new-session"),
            *(["--die-with-parent"] if self.ends_with_parent else []),
            *_system(),
            *self._own_files(),
            *("--remount-ro", "/"),
            *("--chdir", str(folder or home())),
            *("--", "/bin/sh", "-c", f"{limits}; {then}", "sandbox"),
            *command,
        ]

    def _environment(self) -> Iterator[str]:
        """Yield the words that keep only harmless variables, also in bwrap, whose /proc/1/environ a server can read.

        The others may hold tokens; their values stand in no command line.
        """
        yield "env"
        for name in os.environ:
            is_kept = KEPT_VARIABLES.fullmatch(name) or (self.reaches_network and NETWORK_VARIABLES.fullmatch(name))
            if not is_kept:
                yield from ("-u", name)
        yield f"HOME={home()}"

    def _own_files(self) -> Iterator[str]:
        size = str(self.temporary_bytes)
        yield from ("--perms", "1777", "--size", size, "--tmpfs", "/dev/shm")
        yield from ("--perms", "1777", "--size", size, "--tmpfs", "/tmp")
        yield from ("--perms", "0700", "--size", size, "--tmpfs", str(home()))
        seen: list[Path] = []
        for path in sorted({*self.readable}):  # a folder comes before what is in it
            if not any(path.is_relative_to(folder) for folder in seen):
                seen.append(path)
                yield from ("--ro-bind", str(path), str(path))
        for path in self.writable:
            yield from ("--bind", str(path), str(path))
        for path in (*self.hidden, *_private()):
            yield from _empty(path)


def _empty(path: Path) -> tuple[str, ...]:
    """Return the options that hide what is in a file or folder."""
    return ("--size", "4096", "--tmpfs", str(path)) if path.is_dir() else ("--ro-bind", "/dev/null", str(path))


@cache
def _system() -> tuple[str, ...]:
    """Return the options that show the system."""
    words: list[str] = []
    for folder in map(Path, SYSTEM):
        if folder.is_symlink():
            words += ["--symlink", os.readlink(folder), str(folder)]
        elif folder.is_dir():
            words += ["--ro-bind", str(folder), str(folder)]
    for name in MORE_OF_SYSTEM:
        words += ["--ro-bind-try", name, name]
    words += ["--symlink", "/tmp", "/var/tmp", "--proc", "/proc"]
    for name in READ_ONLY_PROC if os.geteuid() == 0 else ():
        words += ["--ro-bind-try", f"/proc/{name}", f"/proc/{name}"]
    # The names of hosts may be in a file elsewhere.
    if (names := Path("/etc/resolv.conf").resolve()).is_file() and not names.is_relative_to("/etc"):
        words += ["--ro-bind", str(names), str(names)]
    return (*words, "--dev", "/dev", "--remount-ro", "/dev")


@cache
def _private() -> tuple[Path, ...]:
    """Return files and folders of the system that this user may read, and not everybody: keys and passwords."""
    found: list[Path] = []
    for top in SEARCHED:
        for folder, folders, files in os.walk(top):
            hidden = [name for name in folders if _is_private(Path(folder, name))]
            found += [
                Path(folder, name) for name in [*hidden, *files] if name in hidden or _is_private(Path(folder, name))
            ]
            # Only /etc has many files of many programs in many folders.
            folders[:] = [name for name in folders if name not in hidden] if top == "/etc" else []
    return tuple(found)


def _is_private(path: Path) -> bool:
    try:
        mode = path.lstat().st_mode
    except OSError:
        return False
    return not path.is_symlink() and not mode & 0o004 and os.access(path, os.R_OK)
