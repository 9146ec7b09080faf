"""asyncio protocols: one object per connection, called by the event loop, without streams or tasks."""

from pathlib import Path

from harness.plugins import Implementation, hookimpl

HERE = Path(__file__).parent


@hookimpl
def harness_implementations() -> list[Implementation]:
    return [
        Implementation(
            name="asyncio_protocols",
            spec="broadcast",
            language="Python",
            style="callbacks",
            category="tuned",
            summary="asyncio's buffered protocols, one read buffer for all; drops messages beyond 256 KiB unsent",
            source=HERE / "broadcast.py",
            needs=("python>=3.10",),
        )
    ]
