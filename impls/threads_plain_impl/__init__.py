"""Threads as one writes them first: two for each connection, and a bounded queue between them."""

from pathlib import Path

from harness.plugins import Implementation, hookimpl

HERE = Path(__file__).parent


@hookimpl
def harness_implementations() -> list[Implementation]:
    return [
        Implementation(
            name="threads_plain",
            spec="broadcast",
            language="Python",
            style="thread per connection",
            category="idiomatic",
            summary="two threads and a bounded queue.Queue per connection; drops messages while it is full",
            source=HERE / "broadcast.py",
        )
    ]
