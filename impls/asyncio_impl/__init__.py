"""asyncio streams: one task per connection on one event loop, and a pair of tasks for two other specs."""

from pathlib import Path

from harness.plugins import Implementation, hookimpl

HERE = Path(__file__).parent


@hookimpl
def harness_implementations() -> list[Implementation]:
    return [
        Implementation(
            name="asyncio",
            spec="broadcast",
            language="Python",
            style="async/await",
            category="tuned",
            summary="asyncio streams, one write per two turns of the loop; drops messages beyond 256 KiB unsent",
            source=HERE / "broadcast.py",
            needs=("python>=3.11",),
        ),
        Implementation(
            name="asyncio",
            spec="channels",
            language="Python",
            style="async/await",
            category="idiomatic",
            summary="a TaskGroup of two tasks per connection; drops messages beyond 256 KiB unsent",
            source=HERE / "channels.py",
            needs=("python>=3.11",),
        ),
        Implementation(
            name="asyncio",
            spec="groupchat",
            language="Python",
            style="async/await",
            category="idiomatic",
            summary="a TaskGroup of two tasks per connection; drops messages beyond 256 KiB unsent",
            source=HERE / "groupchat.py",
            needs=("python>=3.11", "python:spec"),
        ),
    ]
