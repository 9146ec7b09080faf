"""The baseline relay: a program in C that does only what the kernel must do for every server.

It stands in each block beside the servers, and its deliveries a second are about the most that this machine allows. A
server's share of the baseline shows how much of the time goes into the server's own work.
"""

from __future__ import annotations

from pathlib import Path

from harness.model import Implementation

SOURCE = Path(__file__).parent / "native" / "baseline_relay.c"
NAME = "baseline"


def relay(spec: str) -> Implementation:
    """Return the relay as if it were a server of this spec; it can take only slices with one sender."""
    return Implementation(
        name=NAME,
        spec=spec,
        language="C",
        style="none",
        category="engine",
        summary="sends the bytes it receives to all clients: the baseline of this machine",
        source=SOURCE,
        build=("cc", "-O2", "-Wall", "-Wextra", "-o", "{build}/baseline_relay", SOURCE.name),
        run=("{build}/baseline_relay",),
        needs=("command:cc",),
    )
