"""The protocol "lines" for the harness of zillions: its text, codec and cases, and a server that serves it."""

from pathlib import Path

from harness.plugins import Implementation, Spec, hookimpl, shared_cases

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
            shares=(shared_cases(),),
            codec=wire.CODEC,
            faults={
                **dict.fromkeys(("sender order", "disagreement", "answer first", "own first", "cycle"), "LN-ORDER-2"),
                **dict.fromkeys(("received before sent", "silent", "closed", "died"), "LN-DELIVER-1"),
                **dict.fromkeys(("created", "duplicated"), "LN-DELIVER-1"),
            },
            mutants=HERE.parent / "tests" / "mutants",
        )
    ]


@hookimpl
def harness_implementations() -> list[Implementation]:
    return [
        Implementation(
            name="liner",
            spec="lines",
            language="Python",
            style="callbacks",
            summary="asyncio protocols; drops new lines for a client with 64 KiB unsent",
            source=HERE / "server.py",
        )
    ]
