"""Overload specific to groupchat: replies that are not read."""

from __future__ import annotations

import pytest

from harness.conformance.api import Room
from spec.common.unread_replies import must_bound_replies, must_let_go
from spec.groupchat.membership import INVALID_FRAME
from spec.groupchat.wire import encode_frame


@pytest.mark.slow
@pytest.mark.case(171, "GC-LOAD-2", "GC-LOAD-4")
async def test_replies_that_nobody_takes_are_not_kept_without_bound(room: Room) -> None:
    """GC-LOAD-2: A server does not buffer without bound.
    GC-LOAD-4: A sender that never reads harms no other client.

    A client sends long invalid frames, and then short ones, some 400 MB of each or as much as the server reads, and
    reads no answer.
    """
    await must_bound_replies(room, [encode_frame(b"\x09" * 1000), INVALID_FRAME])


@pytest.mark.long
@pytest.mark.case(172, "GC-COME-9")
async def test_a_client_that_half_closes_and_reads_no_reply_is_disconnected(room: Room) -> None:
    """GC-COME-9: A client that has closed its sending side and reads nothing is disconnected within 60 seconds.

    Ten clients send invalid frames until the server no longer reads them, or 512 KB, read no reply, and close their
    sending side; another one goes on sending. The descriptors must be released.
    """
    await must_let_go(room, INVALID_FRAME)
