"""What a server has printed to its standard output by its end."""

from __future__ import annotations

import signal

from harness.conformance.api import Room

CLOSED_S = 1.0  # for what it printed last to arrive


async def must_end_without_a_word(room: Room, number: signal.Signals = signal.SIGTERM) -> None:
    """End a server; it must have printed nothing but the ready line to its standard output.

    Args:
        room: the server.
        number: the signal that ends it.
    """
    room.expect_end()
    await room.server.stop(number, grace_s=2)
    stdout = room.server.stdout
    await room.wait_until(lambda: stdout.closed, CLOSED_S)
    more = stdout.byte_count - len(stdout.first_line or b"") - 1
    assert more == 0, (
        f"after the ready line the server printed {more} more bytes to standard output, at the end: "
        f"{stdout.last_words(1)}"
    )
