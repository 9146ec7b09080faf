"""What all clients of a room share."""

from __future__ import annotations

from dataclasses import dataclass

from anyio.abc import TaskGroup

from harness.codec import Codec
from harness.conformance.api.trace import Trace
from harness.history.record import MessageRegistry

# Replies and notices that a client keeps: no case asks for so many, so it is the server that floods it.
MOST_NOTES = 1_000_000


@dataclass(frozen=True)
class Shared:
    """What all clients of a room share.

    Attributes:
        codec: the protocol that they speak.
        messages: the registry of all messages that a client has sent.
        trace: where they record what they do.
        tasks: in which they read.
        pid: the process id of their server.
    """

    codec: Codec
    messages: MessageRegistry
    trace: Trace
    tasks: TaskGroup
    pid: int
