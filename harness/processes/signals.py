"""The signal state that a process inherits from its launcher: its mask and its ignored signals, which survive exec(3).

Where SIGCHLD is ignored, the kernel discards the exit status of every child. A server that inherits a blocked or
ignored SIGTERM cannot be ended by it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Python ignores them itself, and `subprocess` restores them in each child.
IGNORED_BY_PYTHON = {getattr(signal, name) for name in ("SIGPIPE", "SIGXFZ", "SIGXFSZ") if hasattr(signal, name)}


def reset_signals() -> list[int]:
    """Unblock all signals, and give those that are ignored their default action; handlers stay.

    Only the main thread can change actions: another one changes its own mask only.

    Returns:
        The signals that were ignored.
    """
    ignored = []
    if threading.current_thread() is threading.main_thread():
        for number in signal.valid_signals() - IGNORED_BY_PYTHON:
            if signal.getsignal(number) is signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
                ignored.append(int(number))
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    return ignored


@contextmanager
def default_signals() -> Iterator[None]:
    """Let child processes that are started in this context begin with no signal blocked and none ignored."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    ignored = reset_signals()
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
