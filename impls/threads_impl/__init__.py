"""Threads: one that reads and one that writes for each connection."""

from pathlib import Path

from harness.plugins import Implementation, hookimpl

HERE = Path(__file__).parent


@hookimpl
def harness_implementations() -> list[Implementation]:
    return [
        Implementation(
            name="threads",
            spec="broadcast",
            language="Python",
            style="thread per connection",
            category="tuned",
            summary="two threads per connection, one lock; drops messages beyond 256 KiB unsent",
            source=HERE / "broadcast.py",
        ),
        Implementation(
            name="threads",
            spec="channels",
            language="Python",
            style="thread per connection",
            category="idiomatic",
            summary="two threads per connection, one lock; drops messages beyond 256 KiB unsent",
            source=HERE / "channels.py",
            needs=("python>=3.10",),
        ),
        Implementation(
            name="threads",
            spec="groupchat",
            language="Python",
            style="thread per connection",
            category="idiomatic",
            summary="two threads per connection, one lock; drops messages beyond 256 KiB unsent",
            source=HERE / "groupchat.py",
            needs=("python>=3.10", "python:spec"),
        ),
    ]
