"""A third-party package: a fourth spec and a server for it, announced by an entry point in the group `harness`."""

from pathlib import Path

from harness.plugins import Implementation, Spec, hookimpl
from spec import common

from . import wire

HERE = Path(__file__).parent


@hookimpl
def harness_specs() -> list[Spec]:
    return [
        Spec(
            name="lines",
            prefix="LN",
            text=HERE / "README.md",
            cases=HERE,
            shares=(common.FOLDER,),
            codec=wire.CODEC,
            faults={
                **dict.fromkeys(("sender order", "disagreement", "answer first", "own first", "cycle"), "LN-ORDER-2"),
                **dict.fromkeys(("received before sent", "silent", "closed", "died"), "LN-DELIVER-1"),
                **dict.fromkeys(("created", "duplicated"), "LN-DELIVER-1"),
            },
        )
    ]


@hookimpl
def harness_implementations() -> list[Implementation]:
    return [Implementation(name="liner", spec="lines", language="Python", source=HERE / "server.py")]
