"""Generators: two per connection, and a hand-written scheduler."""

from pathlib import Path

from harness.plugins import Implementation, hookimpl

HERE = Path(__file__).parent


@hookimpl
def harness_implementations() -> list[Implementation]:
    return [
        Implementation(
            name="generators",
            spec="broadcast",
            language="Python",
            style="generators",
            category="engine",
            summary="two generators per connection, a scheduler of thirty lines; drops messages beyond 256 KiB unsent",
            source=HERE / "broadcast.py",
            needs=("python>=3.10",),
        )
    ]
