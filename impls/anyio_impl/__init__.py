"""anyio: structured concurrency, two tasks and a memory object stream per connection."""

import sys
from pathlib import Path

from harness.plugins import Implementation, hookimpl

HERE = Path(__file__).parent


@hookimpl
def harness_implementations() -> list[Implementation]:
    return [
        Implementation(
            name="anyio",
            spec="broadcast",
            language="Python",
            style="async/await",
            category="idiomatic",
            summary="anyio task groups and memory object streams; drops messages beyond 256 KiB unsent",
            source=HERE / "broadcast.py",
            needs=("python>=3.11", "python:anyio>=4.10"),
        ),
        Implementation(
            name="anyio_trio",
            spec="broadcast",
            language="Python",
            style="async/await",
            category="idiomatic",
            summary="the server of anyio on anyio's other backend, trio; drops messages beyond 256 KiB unsent",
            source=HERE / "broadcast.py",
            run=(sys.executable, str(HERE / "on_trio.py")),
            needs=("python>=3.11", "python:anyio>=4.10", "python:trio>=0.25"),
        ),
        Implementation(
            name="anyio",
            spec="channels",
            language="Python",
            style="async/await",
            category="idiomatic",
            summary="anyio task groups and memory object streams; drops messages beyond 256 KiB unsent",
            source=HERE / "channels.py",
            needs=("python>=3.11", "python:anyio>=4.10"),
        ),
    ]
