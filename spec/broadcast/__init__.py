"""The spec `broadcast`: the protocol of Zillions."""

from pathlib import Path

from harness.plugins import Spec, hookimpl
from spec import common
from spec.broadcast import dialect, wire

HERE = Path(__file__).parent


@hookimpl
def harness_specs() -> list[Spec]:
    """Return this spec, for the plugin manager of the harness."""
    return [
        Spec(
            name="broadcast",
            prefix="BC",
            text=HERE / "README.md",
            cases=HERE,
            shares=(common.FOLDER,),
            codec=wire.CODEC,
            dialect=dialect.DIALECT,
            faults={
                "created": "BC-DELIVER-3",
                "duplicated": "BC-DELIVER-2",
                "received before sent": "BC-DELIVER-3",
                "sender order": "BC-ORDER-1",
                "disagreement": "BC-ORDER-2",
                "answer first": "BC-ORDER-3",
                "own first": "BC-ORDER-4",
                "cycle": "BC-ORDER-2",
                "died": "BC-END-5",
                "silent": "BC-DELIVER-8",
                "closed": "BC-DELIVER-8",
            },
            mutants=HERE.parent.parent / "tests" / "mutants" / HERE.name,
            default=True,
        )
    ]
