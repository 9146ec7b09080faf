"""Twisted: one protocol object per connection, called by one reactor."""

from pathlib import Path

from harness.plugins import Implementation, hookimpl

HERE = Path(__file__).parent


@hookimpl
def harness_implementations() -> list[Implementation]:
    return [
        Implementation(
            name="twisted",
            spec="broadcast",
            language="Python",
            style="callbacks",
            category="idiomatic",
            summary="an Int8StringReceiver and a producer per connection; drops messages beyond 256 KiB unsent",
            source=HERE / "broadcast.py",
            needs=("python:twisted>=24.3",),
        ),
        Implementation(
            name="twisted",
            spec="channels",
            language="Python",
            style="callbacks",
            category="idiomatic",
            summary="a Protocol and a producer per connection; drops messages beyond 256 KiB unsent",
            source=HERE / "channels.py",
            needs=("python>=3.10", "python:twisted>=24.3"),
        ),
    ]
