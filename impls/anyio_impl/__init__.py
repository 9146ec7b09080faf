"""anyio: structured concurrency, two tasks per connection."""

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
            style="task pair per connection",
            category="idiomatic",
            summary="anyio task groups, one event loop; drops messages beyond 256 KiB unsent",
            source=HERE / "broadcast.py",
            needs=("python:anyio",),
        ),
        Implementation(
            name="anyio_trio",
            spec="broadcast",
            language="Python",
            style="task pair per connection",
            category="idiomatic",
            summary="the server of anyio on anyio's other backend, trio; drops messages beyond 256 KiB unsent",
            source=HERE / "broadcast.py",
            run=(sys.executable, str(HERE / "on_trio.py")),
            needs=("python:anyio", "python:trio"),
        ),
        Implementation(
            name="anyio",
            spec="channels",
            language="Python",
            style="task pair per connection",
            category="idiomatic",
            summary="anyio task groups, one event loop; drops messages beyond 256 KiB unsent",
            source=HERE / "channels.py",
            needs=("python:anyio",),
        ),
    ]
