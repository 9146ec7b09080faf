"""Anything at all: random conversations, for as long as one likes (`--fuzz SECONDS`)."""

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

    Joining, leaving, resets, halves, stalls, bursts, in any mixture; every history is judged, and what fails is
    made as short as it can be.
    """
    conversations = await converse(start, fuzz_s, rng)
    note(f"{conversations} random conversations")
