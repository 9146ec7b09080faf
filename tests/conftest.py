"""Every asynchronous test runs once, on asyncio, whatever else is installed; what pytest must not take for ours.

The cases of a guest's spec are installed by `tests/test_guest.py`.
"""

import pytest

collect_ignore = ["guest"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The event loop of asynchronous tests."""
    return "asyncio"
