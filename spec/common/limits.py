"""What a case needs of the machine."""

from __future__ import annotations

import resource

import pytest


def require_descriptors(count: int) -> None:
    """Skip a case where fewer descriptors are allowed."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit < count:
        pytest.skip(f"only {limit} descriptors are allowed here")
