"""One order of texts and notices: who breaks it is found out, and who has not heard the rest yet is not blamed."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import Violation
from spec.groupchat.messages import Joined, Left, Welcome
from spec.groupchat.membership import must_have_one_order


@dataclass(eq=False)
class Person:
    """What is looked at of a client."""

    name: str
    number: int = 0
    received: list[int] = field(default_factory=list)
    sender_names: list[tuple[int, str]] = field(default_factory=list)
    notes: list[SimpleNamespace] = field(default_factory=list)


def client(name: str, *told: object) -> Any:
    """Return somebody who was told these; a text is a pair of who said it and its number."""
    one = Person(name)
    for thing in told:
        if isinstance(thing, tuple):
            said_by, number = thing
            one.received.append(number)
            one.sender_names.append((number, said_by))
        else:
            one.notes.append(SimpleNamespace(value=thing, after=len(one.received)))
    return one


ANN = (Welcome([]), Joined("bo"), ("ann", 1), Joined("cyn"), Left("cyn"))


def test_who_has_not_heard_yet_of_one_who_came_and_went_is_not_blamed() -> None:
    must_have_one_order([client("ann", *ANN), client("bo", Welcome(["ann"]), ("ann", 1))])


def test_who_came_after_somebody_left_was_not_told_of_it() -> None:
    bo = client("bo", Welcome(["ann"]), ("ann", 1))
    must_have_one_order([client("ann", Welcome([]), Joined("cyn"), Left("cyn"), Joined("bo"), ("ann", 1)), bo])


@pytest.mark.parametrize("later", [("ann", 2), Joined("dee")], ids=["a text", "a notice"])
def test_who_heard_what_came_later_and_not_that_somebody_left_is_found_out(later: object) -> None:
    with pytest.raises(Violation, match="no one order"):
        must_have_one_order([client("ann", *ANN, later), client("bo", Welcome(["ann"]), ("ann", 1), later)])


def test_a_welcome_that_leaves_out_who_is_there_is_found_out() -> None:
    ann = client("ann", Welcome([]), Joined("cyn"), Joined("bo"), Left("cyn"), ("ann", 1))
    with pytest.raises(Violation, match="no one order"):
        must_have_one_order([ann, client("bo", Welcome(["ann"]), ("ann", 1))])
