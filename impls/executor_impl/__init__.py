"""Our own executor: tasks, work-stealing workers and a reactor, all in Python."""

from pathlib import Path

from harness.plugins import Implementation, hookimpl

HERE = Path(__file__).parent


@hookimpl
def harness_implementations() -> list[Implementation]:
    return [
        Implementation(
            name="executor",
            spec="broadcast",
            language="Python",
            style="async/await",
            category="engine",
            summary="two tasks per connection on work-stealing workers; drops messages beyond 256 KiB unsent",
            source=HERE / "broadcast.py",
            needs=("python>=3.10",),
        ),
        Implementation(
            name="executor",
            spec="channels",
            language="Python",
            style="async/await",
            category="engine",
            summary="two tasks per connection on work-stealing workers, one lock; drops messages beyond 256 KiB unsent",
            source=HERE / "channels.py",
            needs=("python>=3.10",),
        ),
        Implementation(
            name="executor",
            spec="groupchat",
            language="Python",
            style="async/await",
            category="engine",
            summary="two tasks per connection on work-stealing workers, one lock; drops messages beyond 256 KiB unsent",
            source=HERE / "groupchat.py",
            needs=("python>=3.10", "python:spec"),
        ),
    ]
