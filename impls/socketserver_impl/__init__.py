"""The standard library's socketserver: a handler in a thread of its own for each connection."""

from pathlib import Path

from harness.plugins import Implementation, hookimpl

HERE = Path(__file__).parent


@hookimpl
def harness_implementations() -> list[Implementation]:
    return [
        Implementation(
            name="socketserver",
            spec="broadcast",
            language="Python",
            style="thread per connection",
            category="idiomatic",
            summary="ThreadingTCPServer, and a writing thread with a bounded queue per client; drops while it is full",
            source=HERE / "broadcast.py",
        )
    ]
