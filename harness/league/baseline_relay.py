"""The null server: a relay of ours in C that does nothing but what the kernel must do for every server.

Loaded by the workload "ceiling" it tells how many deliveries a second this machine allows; a server's share of that
says how much of the time goes into what the server does itself.
"""

from __future__ import annotations

from pathlib import Path

from harness.model import Implementation

SOURCE = Path(__file__).parent / "native" / "baseline_relay.c"
NAME = "null"


def relay(spec: str) -> Implementation:
    """Return the null server as an implementation of a spec, which it is not: only the workload "ceiling" suits it."""
    return Implementation(
        name=NAME,
        spec=spec,
        language="C",
        style="none",
        category="engine",
        summary="bytes in, the same bytes out to everybody: the ceiling of this machine",
        source=SOURCE,
        build=("cc", "-O2", "-Wall", "-Wextra", "-o", "{build}/baseline_relay", SOURCE.name),
        run=("{build}/baseline_relay",),
        needs=("command:cc",),
    )
