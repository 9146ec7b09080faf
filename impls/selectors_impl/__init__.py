"""selectors: callbacks on a selector, in one thread, without a framework."""

from pathlib import Path

from harness.plugins import Implementation, hookimpl

HERE = Path(__file__).parent


@hookimpl
def harness_implementations() -> list[Implementation]:
    return [
        Implementation(
            name="selectors",
            spec="broadcast",
            language="Python",
            style="readiness loop",
            category="idiomatic",
            summary="one loop over a selector, no framework; drops messages beyond 256 KiB unsent",
            source=HERE / "broadcast.py",
            needs=("python>=3.10",),
        ),
        Implementation(
            name="selectors",
            spec="channels",
            language="Python",
            style="readiness loop",
            category="idiomatic",
            summary="one loop over a selector, no framework; drops messages beyond 256 KiB unsent",
            source=HERE / "channels.py",
            needs=("python>=3.10",),
        ),
        Implementation(
            name="selectors",
            spec="groupchat",
            language="Python",
            style="readiness loop",
            category="idiomatic",
            summary="one loop over a selector, no framework; drops messages beyond 256 KiB unsent",
            source=HERE / "groupchat.py",
            needs=("python>=3.10", "python:spec"),
        ),
    ]
