"""What holds for every test of the executor: it ends, it is in a hurry, it leaves nothing behind."""

from __future__ import annotations

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
    """The standard error that pytest itself was given."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        descriptor = os.dup(2)
    yield descriptor
    os.close(descriptor)


@pytest.fixture(autouse=True)
def not_for_ever(terminal: int) -> Any:
    """End the test run, with all stacks, if a wake-up is lost and everybody sleeps."""
    faulthandler.dump_traceback_later(STUCK_S, exit=True, file=terminal)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(autouse=True)
def hurry() -> Any:
    """Let threads take turns 500 times as often as they do by themselves: what can go wrong does so sooner."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 500)
    yield
    sys.setswitchinterval(usual)


@pytest.fixture(autouse=True, scope="module")
def only_ours() -> Any:
    """Keep the collector from going through all that the other tests have imported, time and again."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Any:
    """Whatever a test does, its threads and its descriptors are gone when `run` returns."""
    gc.collect()  # what others have dropped is not to count
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
    yield
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == descriptors
