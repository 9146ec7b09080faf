"""Greenlets: two per connection, and a hand-written scheduler."""

from pathlib import Path

from harness.plugins import Implementation, hookimpl

HERE = Path(__file__).parent


@hookimpl
def harness_implementations() -> list[Implementation]:
    return [
        Implementation(
            name="greenlets",
            spec="broadcast",
            language="Python",
            style="coroutines",
            category="engine",
            summary="two greenlets per connection, a scheduler of thirty lines; drops messages beyond 256 KiB unsent",
            source=HERE / "broadcast.py",
            needs=("python>=3.10", "python:greenlet>=2.0"),
        )
    ]
