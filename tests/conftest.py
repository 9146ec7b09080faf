"""Opens Chromium for tests of the site, and keeps pytest from collecting `tests/guest`, a repository of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from harness.processes.sandbox import VARIABLE
from tests.site_browser import SiteVisit, chromium, visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

collect_ignore = ["guest"]
hypothesis.settings.register_profile("zillions", deadline=None)  # no test fails because the machine is busy
hypothesis.settings.load_profile("zillions")
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup(1) what tests start would ignore it, as it should
os.environ[VARIABLE] = "off"  # what a test shows must not depend on whether bubblewrap is installed


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; it ends with the module, because its event loop runs until then and no other can."""
    with chromium() as started:
        yield started


@pytest.fixture
def site(browser: Browser, folder: Path) -> Iterator[SiteVisit]:
    """A visit to the site in `folder`, a fixture of the module."""
    with visit(browser, folder) as visited:
        yield visited
