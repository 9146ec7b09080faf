"""Fixtures for every test of the executor: it ends, threads switch often, and nothing is left behind."""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import sys
import threading
from typing import Any

import pytest

from tests.executor.kit import STUCK_S


@pytest.fixture(scope="session")
def terminal(pytestconfig: pytest.Config) -> Any:
    """The standard error of pytest itself."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        descriptor = os.dup(2)
    yield descriptor
    os.close(descriptor)


@pytest.fixture(autouse=True)
def end_if_stuck(terminal: int) -> Any:
    """End the test run, with all stacks, if a wake-up is lost and all threads sleep."""
    faulthandler.dump_traceback_later(STUCK_S, exit=True, file=terminal)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(autouse=True)
def frequent_switches() -> Any:
    """Let threads switch 500 times as often as usual, so that races show sooner."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 500)
    yield
    sys.setswitchinterval(usual)


@pytest.fixture(autouse=True, scope="module")
def frozen_garbage() -> Any:
    """Keep the garbage collector from repeatedly traversing everything that other tests have imported."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Any:
    """Check that the threads and descriptors of a test are gone when `run` returns."""
    gc.collect()  # garbage of earlier tests must not count
    threads, before = threading.active_count(), descriptors()
    yield
    assert threading.active_count() == threads
    assert descriptors() == before


def descriptors() -> int:
    """Count the open descriptors, except those of files in /proc, which a thread of the harness reads now and then."""
    count = 0
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed since
            count += not os.readlink(f"/proc/self/fd/{number}").startswith("/proc")
    return count
