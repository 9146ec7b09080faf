"""The spec `channels`: JSON lines; a message goes only to the subscribers of its channel."""

from pathlib import Path

from harness.plugins import Spec, hookimpl
from spec import common
from spec.channels import dialect, wire

HERE = Path(__file__).parent


@hookimpl
def harness_specs() -> list[Spec]:
    """Return this spec, for the plugin manager of the harness."""
    return [
        Spec(
            name="channels",
            prefix="CH",
            text=HERE / "README.md",
            cases=HERE,
            shares=(common.FOLDER,),
            codec=wire.CODEC,
            dialect=dialect.DIALECT,
            faults={
                "created": "CH-DELIVER-3",
                "duplicated": "CH-DELIVER-2",
                "received before sent": "CH-DELIVER-3",
                "sender order": "CH-ORDER-1",
                "disagreement": "CH-ORDER-2",
                "answer first": "CH-ORDER-3",
                "own first": "CH-ORDER-4",
                "cycle": "CH-ORDER-2",
                "died": "CH-END-5",
                "silent": "CH-DELIVER-8",
                "closed": "CH-DELIVER-8",
            },
            mutants=HERE.parent.parent / "tests" / "mutants" / HERE.name,
        )
    ]
