"""gevent: two greenlets per connection."""

from pathlib import Path

from harness.plugins import Implementation, hookimpl

HERE = Path(__file__).parent


@hookimpl
def harness_implementations() -> list[Implementation]:
    return [
        Implementation(
            name="gevent",
            spec="broadcast",
            language="Python",
            style="greenlet pair per connection",
            category="idiomatic",
            summary="gevent's cooperative sockets, one event loop; drops messages beyond 256 KiB unsent",
            source=HERE / "broadcast.py",
            needs=("python:gevent",),
        )
    ]
