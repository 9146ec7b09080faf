"""asyncio as its documentation teaches it: streams, a TaskGroup and a bounded Queue for every connection."""

from pathlib import Path

from harness.plugins import Implementation, hookimpl

HERE = Path(__file__).parent


@hookimpl
def harness_implementations() -> list[Implementation]:
    return [
        Implementation(
            name="asyncio_plain",
            spec="broadcast",
            language="Python",
            style="async/await",
            category="idiomatic",
            summary="readexactly, a TaskGroup and a bounded Queue per connection; drops beyond 256 KiB unsent",
            source=HERE / "broadcast.py",
            needs=("python>=3.11",),
        )
    ]
