"""trio: structured concurrency, two tasks and a memory channel per connection."""

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
            style="async/await",
            category="idiomatic",
            summary="trio nurseries and memory channels; drops messages beyond 256 KiB unsent",
            source=HERE / "broadcast.py",
            needs=("python>=3.11", "python:trio>=0.25"),
        ),
        Implementation(
            name="trio",
            spec="channels",
            language="Python",
            style="async/await",
            category="idiomatic",
            summary="trio nurseries and memory channels; drops messages beyond 256 KiB unsent",
            source=HERE / "channels.py",
            needs=("python>=3.11", "python:trio>=0.25"),
        ),
        Implementation(
            name="trio",
            spec="groupchat",
            language="Python",
            style="async/await",
            category="idiomatic",
            summary="trio nurseries and memory channels; drops messages beyond 256 KiB unsent",
            source=HERE / "groupchat.py",
            needs=("python>=3.11", "python:trio>=0.25", "python:spec"),
        ),
    ]
