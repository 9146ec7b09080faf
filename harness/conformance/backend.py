"""The event loop on which the cases of a spec run, and all asynchronous tests of whoever uses the plugin."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Asyncio, whatever else is installed: by anyio's own fixture everything would run once on each."""
    return "asyncio"
