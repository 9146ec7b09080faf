"""trio: structured concurrency, two tasks per connection."""

from pathlib import Path

from harness.plugins import Implementation, hookimpl

HERE = Path(__file__).parent


@hookimpl
def harness_implementations() -> list[Implementation]:
    return [
        Implementation(
            name="trio",
            spec="broadcast",
            language="Python",
            style="task pair per connection",
            category="idiomatic",
            summary="trio nurseries, one event loop; drops messages beyond 256 KiB unsent",
            source=HERE / "broadcast.py",
            needs=("python:trio",),
        ),
        Implementation(
            name="trio",
            spec="channels",
            language="Python",
            style="task pair per connection",
            category="idiomatic",
            summary="trio nurseries, one event loop; drops messages beyond 256 KiB unsent",
            source=HERE / "channels.py",
            needs=("python:trio",),
        ),
    ]
