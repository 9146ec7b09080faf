"""curio: two tasks and a queue per connection."""

from pathlib import Path

from harness.plugins import Implementation, hookimpl

HERE = Path(__file__).parent


@hookimpl
def harness_implementations() -> list[Implementation]:
    return [
        Implementation(
            name="curio",
            spec="broadcast",
            language="Python",
            style="async/await",
            category="idiomatic",
            summary="a task group and a queue per connection, on curio's kernel; drops beyond 256 KiB unsent",
            source=HERE / "broadcast.py",
            needs=("python:curio>=1.6",),
        )
    ]
