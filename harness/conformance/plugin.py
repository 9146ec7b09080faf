"""The entry point for pytest: options, markers, and the plugin for cases once a run has any.

    pytest spec/broadcast --impl asyncio -k order -x

pytest imports this module in every run, also of other projects, so it imports nothing else of the harness before it
finds the cases of a spec.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.conformance import backend

CASE_PLUGIN = "harness.conformance.case_plugin"
CASE_MARKER = "pytest.mark.case("
MARKERS = (
    "case(number, *requirements): a case of a spec, with the ids of the requirements that it checks",
    "smoke: one of the few cases that quickly show whether a server works at all",
    "gate(place): all other cases are blocked when this one fails; gates run first, in the order of their places",
    "slow: started first, because it takes long",
    "long: takes over a minute, and runs only with --full, or when -k selects it",
    "fuzz: runs for as long as --fuzz says, and not without it",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("harness", "conformance of chat servers")
    group.addoption("--spec", metavar="NAME", help="Run shared cases for this spec.")
    group.addoption("--impl", metavar="NAME|PATH", help="Run the cases on this server.")
    group.addoption(
        "--fuzz",
        metavar="SECONDS",
        type=float,
        default=0,
        help="Hold random conversations with the server for this long; by default none.",
    )
    group.addoption("--full", action="store_true", help="Also run the cases that take over a minute.")
    group.addoption("--seed", metavar="N", type=int, default=0, help="Random seed of the cases.")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers; load the plugin for cases when a server or a spec is named."""
    # The backend is registered now: of two plugins' fixtures the last one counts, and anyio's is registered already.
    config.pluginmanager.register(backend, backend.__name__)
    for line in MARKERS:
        config.addinivalue_line("markers", line)
    if config.getoption("--impl") or config.getoption("--spec"):
        config.pluginmanager.import_plugin(CASE_PLUGIN)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> None:
    """Load the plugin for cases before the first module that has any."""
    plugins = parent.config.pluginmanager
    if not plugins.hasplugin(CASE_PLUGIN) and CASE_MARKER in module_path.read_text("utf-8", errors="replace"):
        plugins.import_plugin(CASE_PLUGIN)
