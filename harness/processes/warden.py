"""Runs one command and ends everything that it started, however the parent ends.

    python -I -S warden.py CONTROL_FD[,FD...] COMMAND [ARGUMENT ...]

The parent holds the writing end of a pipe whose reading end is CONTROL_FD. When the pipe closes (because the parent
ended, was killed, or closed it), or the command ends, all descendants of this process are killed. It is a child
subreaper (prctl(2)), so orphans and daemons of any depth remain its descendants. It imports only the standard library,
to start in a few milliseconds, and never the harness. The command inherits the further descriptors.
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
KILLING_S = 30.0
# Linux has the lists of children only where it was built with them (CONFIG_PROC_CHILDREN).
HAS_LISTS = os.path.exists(f"/proc/{os.getpid()}/task/{os.getpid()}/children")


def under_warden(control: int, *passed: int) -> list[str]:
    """Return the words before a command that a warden runs.

    Args:
        control: the reading end of the pipe whose closing ends everything.
        passed: further descriptors that the command inherits.
    """
    return [sys.executable, "-I", "-S", __file__, ",".join(map(str, (control, *passed)))]


def become_subreaper() -> None:
    """Make orphaned descendants children of this process; does nothing on systems other than Linux.

    Their exit statuses, and those of all children, are kept for this process also where its launcher ignored SIGCHLD.
    """
    with contextlib.suppress(ValueError):  # only the main thread can, and it has
        if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children(pid: int) -> list[int]:
    """Return the direct children of a process, whichever of its threads started them."""
    if not HAS_LISTS:
        return _children_by_parent(pid)
    pids: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/children") as file:
                pids += map(int, file.read().split())
    return pids


def _children_by_parent(pid: int) -> list[int]:
    """Return the direct children of a process, from what each process of this machine says of its parent."""
    pids: list[int] = []
    with contextlib.suppress(OSError):
        for name in filter(str.isdecimal, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                if int(file.read().rpartition(b")")[2].split()[1]) == pid:  # the name before it may be anything
                    pids.append(int(name))
    return pids


def descendants(pid: int) -> list[int]:
    """Return all descendants of a process, parents before their children."""
    below = children(pid)
    for child in below:  # a loop, because there may be thousands of generations; it grows as it goes on
        below += children(child)
    return below


def signal_all(pid: int, number: int) -> None:
    """Send a signal to a process and to all its descendants."""
    for each in [pid, *descendants(pid)]:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it may have ended, or run as another user
            os.kill(each, number)


def kill_all_below(pid: int) -> None:
    """Kill the descendants of a process until there are none; `pid` must be this process, a subreaper.

    A process of another user, started by sudo for instance, cannot be killed: after KILLING_S it is left.
    """
    deadline = time.monotonic() + KILLING_S
    while (below := descendants(pid)) and time.monotonic() < deadline:
        for descendant in below:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(descendant, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.001)  # the kernel takes a moment to deliver the signals and to reparent orphans


def main() -> None:
    """Run the command; exit with its status, or with 1 if the parent closed the pipe first."""
    control, *passed = map(int, sys.argv[1].split(","))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # only the pipe ends this process
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    become_subreaper()
    os.set_inheritable(control, False)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    try:
        command = subprocess.Popen(sys.argv[2:], restore_signals=True, pass_fds=passed, preexec_fn=_default_signals)
    except OSError as error:
        sys.exit(f"{sys.argv[2]}: {error.strerror}")
    for inherited in (0, 1, *passed):  # the command holds them; a reader must see end of file when the command ends
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
