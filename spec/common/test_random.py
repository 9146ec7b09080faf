"""Anything at all: random conversations, for as long as `--fuzz SECONDS` says."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from harness.conformance.api import Start, converse


@pytest.mark.fuzz
@pytest.mark.slow
@pytest.mark.case(82, "END-5")
async def test_any_conversation_is_lawful(
    start: Start, rng: random.Random, fuzz_s: float, note: Callable[[str], None]
) -> None:
    """END-5: Whatever its clients have done, a server is still alive and serves.

    Joins, leaves, resets, unfinished messages, stalls and bursts in any mixture; every history is judged, and a
    conversation that fails is shortened.
    """
    conversations = await converse(start, fuzz_s, rng)
    note(f"{conversations} random conversations")
