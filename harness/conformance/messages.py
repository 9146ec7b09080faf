"""What the pool and its worker processes write to each other, a line of JSON each.

A worker first writes `Collected`. Then it gets a `Request` a line, and answers each with a
`harness.model.CaseResult`, or with a `harness.model.Evidence` when a script was to be shortened.
"""

from __future__ import annotations

import msgspec

from harness.model import Case, Implementation


class Collected(msgspec.Struct, frozen=True):
    """The first line of a worker.

    Attributes:
        cases: the cases that it has collected.
        problem: why it has none, or "".
    """

    cases: tuple[Case, ...] = ()
    problem: str = ""


class Request(msgspec.Struct, frozen=True):
    """Asks a worker to run a case on an implementation, or to shorten the script of the failure it just found.

    Attributes:
        case: the id of the case.
        implementation: the server under test.
        seed: the random seed of the case.
        needed: how many servers the worker will need from now on, as far as is known.
        shrink: whether to shorten the script of the case's last failure, instead of running it.
    """

    case: str
    implementation: Implementation
    seed: int = 0
    needed: int = 1
    shrink: bool = False
