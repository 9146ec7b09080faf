"""asyncio streams: one coroutine per connection on one event loop."""

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
            style="coroutine per connection",
            category="idiomatic",
            summary="asyncio streams, one event loop; drops messages beyond 256 KiB unsent",
            source=HERE / "broadcast.py",
        ),
        Implementation(
            name="asyncio",
            spec="channels",
            language="Python",
            style="task pair per connection",
            category="idiomatic",
            summary="two tasks per connection, one event loop; drops messages beyond 256 KiB unsent",
            source=HERE / "channels.py",
        ),
        Implementation(
            name="asyncio",
            spec="groupchat",
            language="Python",
            style="task pair per connection",
            category="idiomatic",
            summary="two tasks per connection, one event loop; drops messages beyond 256 KiB unsent",
            source=HERE / "groupchat.py",
            needs=("python:spec",),
        ),
    ]
