"""Runs one command and sees to it that nothing of it is left, however the parent ends.

    python -I -S warden.py CONTROL_FD COMMAND [ARGUMENT ...]

The parent holds the writing end of a pipe whose reading end is CONTROL_FD. When the pipe closes (the
parent ended, was killed, or wants an end), or the command ends, everything below this process is killed.
It is a child subreaper (prctl(2)), so that orphans and daemons of any depth stay below it. It imports the
standard library only, to start in a few milliseconds, and never imports the harness.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> None:
    """Make orphaned descendants children of this process; does nothing where Linux's prctl is not."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children(pid: int) -> list[int]:
    """Return the direct children of a process, whichever of its threads started them."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/children") as file:
                found += map(int, file.read().split())
    return found


def descendants(pid: int) -> list[int]:
    """Return everything below a process, parents before their children."""
    below = []
    for child in children(pid):
        below += [child, *descendants(child)]
    return below


def kill_all_below(pid: int) -> None:
    """Kill what is below a process until nothing is; `pid` must be this process, a subreaper."""
    while below := descendants(pid):
        for one in below:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(one, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.001)  # the kernel takes a moment to deliver and to hand orphans over


def main() -> None:
    """Run the command; exit with its status, or 1 when the parent closed the pipe first."""
    control = int(sys.argv[1])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # only the pipe decides
    become_subreaper()
    os.set_inheritable(control, False)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    try:
        command = subprocess.Popen(sys.argv[2:], restore_signals=True, preexec_fn=_default_signals)
    except OSError as error:
        sys.exit(f"{sys.argv[2]}: {error.strerror}")
    for inherited in (0, 1):  # the command holds them; a reader must see the end when the command ends
        os.close(inherited)
    status = None
    while status is None:
        ready = select.select([control, reader], [], [])[0]
        if control in ready:
            break
        os.read(reader, 4096)
        status = command.poll()
    kill_all_below(os.getpid())
    os._exit(1 if status is None else status & 0xFF)


def _default_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    main()
