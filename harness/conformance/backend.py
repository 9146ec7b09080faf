"""The event loop of the cases of a spec, and of all other asynchronous tests in a run with the plugin."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Asyncio, whatever else is installed: with anyio's own fixture every test would run once on each loop."""
    return "asyncio"
