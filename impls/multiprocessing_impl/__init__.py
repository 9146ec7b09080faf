"""The standard library's multiprocessing: workers with threads, and a hub that makes the order."""

from pathlib import Path

from harness.plugins import Implementation, hookimpl

HERE = Path(__file__).parent


@hookimpl
def harness_implementations() -> list[Implementation]:
    return [
        Implementation(
            name="multiprocessing",
            spec="broadcast",
            language="Python",
            style="several processes",
            category="idiomatic",
            summary="workers with two threads per connection, a hub for the order; drops while a queue is full",
            source=HERE / "broadcast.py",
        )
    ]
