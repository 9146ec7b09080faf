"""uvloop: the server of asyncio_protocols on libuv's event loop."""

from pathlib import Path

from harness.plugins import Implementation, hookimpl

HERE = Path(__file__).parent


@hookimpl
def harness_implementations() -> list[Implementation]:
    return [
        Implementation(
            name="uvloop",
            spec="broadcast",
            language="Python",
            style="callbacks",
            category="tuned",
            summary="buffered protocols on libuv, one read buffer for all; drops messages beyond 256 KiB unsent",
            source=HERE / "broadcast.py",
            needs=("python>=3.10", "python:uvloop>=0.21"),
        )
    ]
