"""epoll: the event loop of c_epoll, written in Python."""

from pathlib import Path

from harness.plugins import Implementation, hookimpl

HERE = Path(__file__).parent


@hookimpl
def harness_implementations() -> list[Implementation]:
    return [
        Implementation(
            name="epoll",
            spec="broadcast",
            language="Python",
            style="readiness loop",
            category="tuned",
            summary="epoll, one thread, one batch per turn of the loop; drops messages beyond 256 KiB unsent",
            source=HERE / "broadcast.py",
            needs=("python>=3.10",),
        )
    ]
