"""Generators: two for every connection, and a scheduler made by hand."""

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
            style="generators, own scheduler",
            category="idiomatic",
            summary="two generators a connection, a scheduler of thirty lines; drops for a client with 256 KiB unsent",
            source=HERE / "broadcast.py",
            needs=("python>=3.10",),
        )
    ]
