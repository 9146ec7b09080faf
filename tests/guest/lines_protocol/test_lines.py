"""Cases of this protocol only."""

import pytest

from harness.conformance.api import Room


@pytest.mark.smoke
@pytest.mark.case(1, "LN-LINE-1")
async def test_a_cr_belongs_to_the_line(room: Room) -> None:
    """LN-LINE-1: A line ends with LF, and a CR before it belongs to it."""
    alice, bob = await room.join(2)
    await room.deliver(alice, [b"hi\r", b" hi ", b""], [alice, bob])
