"""Opens pages of a generated site in Chromium, and notes every fault and every request that leaves the folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:  # of the extra "dev"; where it is missing these tests are skipped
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class SiteVisit:
    """A visit to a site, with its pages one after the other in one tab.

    Args:
        context: of the browser.
        folder: the folder of the site.
    """

    def __init__(self, context: BrowserContext, folder: Path) -> None:
        self.folder, self.problems = folder, list[str]()
        self.page: Page = context.new_page()
        self.page.on("pageerror", lambda error: self.problems.append(f"{self.page.url}: {error}"))
        self.page.on(
            "console",
            lambda message: (
                self.problems.append(f"{self.page.url}: {message.text}")
                if message.type in ("error", "warning")
                else None
            ),
        )
        self.page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((folder.as_uri() + "/", "data:"))
                else self.problems.append(f"{self.page.url} requests {request.url}")
            ),
        )

    def open(self, path: str) -> Page:
        """Return the tab with a page of the site, after its scripts have run."""
        self.page.goto(f"{self.folder.as_uri()}/{path}")
        return self.page


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium; skip the test where it, or Playwright, is not installed."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        yield browser
        browser.close()


@contextmanager
def visit(
    browser: Browser,
    folder: Path,
    *,
    width: int = 1280,
    colours: Literal["light", "dark"] = "light",
    with_scripts: bool = True,
) -> Iterator[SiteVisit]:
    """Visit a site; at the end there must be no fault and no request that left its folder.

    Args:
        browser: the browser.
        folder: the folder of the site.
        width: of the window, in pixels.
        colours: those that the reader prefers.
        with_scripts: whether scripts run.
    """
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=colours,
        java_script_enabled=with_scripts,
        reduced_motion="reduce",
    )
    context.set_default_timeout(10_000)
    visited = SiteVisit(context, folder)
    yield visited
    context.close()
    assert not visited.problems, "\n".join(visited.problems)
