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
            style="coroutines",
            category="idiomatic",
            summary="gevent's StreamServer, two greenlets and a Queue per connection; drops messages beyond 256 KiB",
            source=HERE / "broadcast.py",
            needs=("python:gevent>=22.10",),
        )
    ]
