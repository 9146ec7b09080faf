"""One order of texts and notices: violations are found, and messages still in transit are not mistaken for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import Violation
from spec.groupchat.messages import Joined, Left, Welcome
from spec.groupchat.one_order import must_have_one_order


@dataclass(eq=False)
class FakeClient:
    """The attributes of a client that the check reads."""

    name: str
    number: int = 0
    received: list[int] = field(default_factory=list)
    sender_names: list[tuple[int, str]] = field(default_factory=list)
    notes: list[SimpleNamespace] = field(default_factory=list)


def client(name: str, *received: object) -> Any:
    """Return a client that received these; a text is a pair of its sender's name and its number."""
    fake = FakeClient(name)
    for value in received:
        if isinstance(value, tuple):
            sender, number = value
            fake.received.append(number)
            fake.sender_names.append((number, sender))
        else:
            fake.notes.append(SimpleNamespace(value=value, after=len(fake.received)))
    return fake


ANN = (Welcome([]), Joined("bo"), ("ann", 1), Joined("cyn"), Left("cyn"))


def test_notices_still_in_transit_to_a_client_are_no_violation() -> None:
    must_have_one_order([client("ann", *ANN), client("bo", Welcome(["ann"]), ("ann", 1))])


def test_a_client_that_joins_later_need_not_receive_an_earlier_left() -> None:
    bo = client("bo", Welcome(["ann"]), ("ann", 1))
    must_have_one_order([client("ann", Welcome([]), Joined("cyn"), Left("cyn"), Joined("bo"), ("ann", 1)), bo])


@pytest.mark.parametrize("later", [("ann", 2), Joined("dee")], ids=["a text", "a notice"])
def test_a_client_that_misses_a_left_before_something_it_received_is_a_violation(later: object) -> None:
    with pytest.raises(Violation, match="no single order"):
        must_have_one_order([client("ann", *ANN, later), client("bo", Welcome(["ann"]), ("ann", 1), later)])


def test_a_welcome_without_the_name_of_a_member_is_a_violation() -> None:
    ann = client("ann", Welcome([]), Joined("cyn"), Joined("bo"), Left("cyn"), ("ann", 1))
    with pytest.raises(Violation, match="no single order"):
        must_have_one_order([ann, client("bo", Welcome(["ann"]), ("ann", 1))])
