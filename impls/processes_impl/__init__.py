"""Processes: workers that share a port, and a parent that makes the order."""

from pathlib import Path

from harness.plugins import Implementation, hookimpl

HERE = Path(__file__).parent


@hookimpl
def harness_implementations() -> list[Implementation]:
    return [
        Implementation(
            name="processes",
            spec="broadcast",
            language="Python",
            style="several processes",
            category="tuned",
            summary="SO_REUSEPORT, a coroutine per connection in each worker; drops messages beyond 256 KiB unsent",
            source=HERE / "broadcast.py",
            needs=("python>=3.11",),
        )
    ]
