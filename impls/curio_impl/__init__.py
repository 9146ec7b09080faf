"""curio: two tasks per connection."""

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
            style="task pair per connection",
            category="idiomatic",
            summary="two tasks per connection on curio's own kernel; drops messages beyond 256 KiB unsent",
            source=HERE / "broadcast.py",
            needs=("python:curio",),
        )
    ]
