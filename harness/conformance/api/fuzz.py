"""Random conversations with a server, for cases; the package hypothesis is needed only when one is held."""

from __future__ import annotations

import random

from harness.conformance.api.start import Start
from harness.extras import require


async def converse(start: Start, seconds: float, rng: random.Random) -> int:
    """Hold random conversations with fresh servers.

    Args:
        start: starts the servers.
        seconds: no new conversation begins after that.
        rng: gives the seeds.

    Returns:
        How many conversations were held.

    Raises:
        Violation: no conforming server can have had one of the conversations. It is the shortest that was found; its
            room is the last of `start`.
        UsageError: hypothesis is not installed.
    """
    require("hypothesis", "fuzz")
    from harness.conformance.api import random_conversations

    return await random_conversations.search(start, seconds, rng)
