"""Tornado: two coroutines and a queue per connection, on its streams."""

from pathlib import Path

from harness.plugins import Implementation, hookimpl

HERE = Path(__file__).parent


@hookimpl
def harness_implementations() -> list[Implementation]:
    return [
        Implementation(
            name="tornado",
            spec="broadcast",
            language="Python",
            style="async/await",
            category="idiomatic",
            summary="TCPServer, two coroutines and a Queue per connection; drops beyond 256 KiB unsent",
            source=HERE / "broadcast.py",
            needs=("python:tornado>=6.2",),
        )
    ]
