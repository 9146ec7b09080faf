"""Tornado: a coroutine per connection on its streams."""

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
            style="coroutine per connection",
            category="idiomatic",
            summary="Tornado's streams, one event loop; drops messages beyond 256 KiB unsent",
            source=HERE / "broadcast.py",
            needs=("python:tornado",),
        )
    ]
