"""The spec `groupchat`: a room in which every client has a name.

Servers in Python import `spec.groupchat.messages` and `spec.groupchat.serdy`, and thereby this file. So the hook
imports what the harness needs only when it is called: a server does not load the harness.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from harness.model import Spec

HERE = Path(__file__).parent
hookimpl = pluggy.HookimplMarker("harness")


@hookimpl
def harness_specs() -> list[Spec]:
    """Return this spec, for the plugin manager of the harness."""
    from harness.model import Spec
    from spec import common
    from spec.groupchat.dialect import DIALECT
    from spec.groupchat.wire import CODEC

    return [
        Spec(
            name="groupchat",
            prefix="GC",
            text=HERE / "README.md",
            cases=HERE,
            shares=(common.FOLDER,),
            codec=CODEC,
            dialect=DIALECT,
            faults={
                "created": "GC-DELIVER-3",
                "duplicated": "GC-DELIVER-2",
                "received before sent": "GC-DELIVER-3",
                "sender order": "GC-ORDER-1",
                "disagreement": "GC-ORDER-2",
                "answer first": "GC-ORDER-3",
                "own first": "GC-ORDER-4",
                "cycle": "GC-ORDER-2",
                "sender name": "GC-SAY-1",
                "died": "GC-END-5",
                "silent": "GC-DELIVER-8",
                "closed": "GC-DELIVER-8",
            },
            mutants=HERE.parent.parent / "tests" / "mutants" / HERE.name,
        )
    ]
