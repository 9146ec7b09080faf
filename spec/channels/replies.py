"""Helpers for the cases of channels: send requests and wait for their replies."""

from __future__ import annotations

from collections.abc import Callable, Collection

from harness.conformance.api import Client, Room, Violation
from spec.channels.wire import Error, Request, Subscribe, Subscribed, encode_value
from spec.common.unread_replies import wait_until_answered

ATTEMPTS = 20  # to get one message through
FEW = 100  # requests of two bytes
AT_ONCE_S = 10.0  # of the server's time, for requests in one write: it may answer them all together at the end


def encode_lines(*requests: Request) -> bytes:
    """Return the lines of these requests."""
    return b"".join(map(encode_value, requests))


async def replies_to(client: Client, data: bytes, *, since: int | None = None) -> list[object]:
    """Send lines followed by one Subscribe; return the replies that arrive before the answer to that, in order.

    Requests are served in order, so the case need not wait to learn that a reply does not come.

    Args:
        client: the client that sends.
        data: the lines.
        since: the number of the client's replies that belong to earlier requests; by default all of them so far.

    Raises:
        Violation: the Subscribe is not answered.
    """
    place = len(client.notes) if since is None else since
    end = Subscribed(f"after the {len(client.notes)}th reply to {client}")
    replies: list[object] = []

    def has_ended() -> bool:
        nonlocal place
        while place < len(client.notes) and (not replies or replies[-1] != end):
            replies.append(client.notes[place].value)
            place += 1
        return bool(replies) and replies[-1] == end

    await client.send_raw(data + encode_lines(Subscribe(end.channel)))
    await wait_for_replies(client, has_ended)
    return replies[:-1]


async def wait_for_replies(client: Client, has_replies: Callable[[], bool], what: str = "a Subscribe") -> None:
    """Wait for the replies to a client's requests, for as long as the client receives anything.

    Args:
        client: the client that has sent them.
        has_replies: whether they have arrived.
        what: describes the requests in the failure's message.

    Raises:
        Violation: the replies do not arrive.
    """
    await wait_until_answered(client, has_replies, lambda: f"{what} and received no answer")


async def must_get_an_error(client: Client, line: bytes, what: str) -> None:
    """Send a line alone, with nothing after it, and wait for its Error.

    Args:
        client: the client that sends.
        line: the line.
        what: describes it in the failure's message.

    Raises:
        Violation: no reply comes, or it is not an Error.
    """
    before = len(client.notes)
    await client.send_raw(line)
    await wait_for_replies(client, lambda: len(client.notes) > before, what)
    reply = client.notes[before].value
    if not isinstance(reply, Error):
        raise Violation(f"{client} sent {what} and received {reply!r}, not an Error", clients=(client.number,))


async def subscribe(client: Client, *channels: str) -> None:
    """Subscribe to these channels and wait for all answers; raise Violation when they are not as expected."""
    expected: list[object] = [Subscribed(channel) for channel in channels]
    replies = await replies_to(client, encode_lines(*map(Subscribe, channels)))
    if replies != expected:
        raise Violation(
            f"{client} sent {len(expected)} Subscribe, the first one with {channels[0]!r}, and received the replies "
            f"{repr(replies[:3])[:300]}"
        )


async def send_until_received(
    room: Room, sender: Client, receivers: Collection[Client], make: Callable[[str], tuple[bytes, bytes]], what: str
) -> None:
    """Send a line repeatedly until all receivers have received the message of one of its copies.

    Args:
        room: the room of the clients.
        sender: the client that sends.
        receivers: the clients that must receive the message.
        make: returns the bytes of the line and the body of its message, given a word that makes the line unique.
        what: describes the line in the failure's message.

    Raises:
        Violation: the message never arrives.
    """
    for attempt in range(ATTEMPTS):
        line, body = make(sender.next_body().decode())
        if attempt % 2:  # a server may lose every second message
            await sender.send_next(as_step=False)
        await sender.send_raw(line)
        await room.barrier(sender, [sender, *receivers])
        if all(room.times_received(client, body) for client in receivers):
            return
    raise Violation(f"{what} never arrives ({ATTEMPTS} attempts)")


async def served_at_once(room: Room, client: Client, most: int) -> int:
    """Return how many requests may be sent in one write, after trying some: as many as are served in AT_ONCE_S.

    Args:
        room: the room of the client.
        client: the client that sends them.
        most: how many to a server that is fast.
    """
    clock = room.clock()
    await replies_to(client, FEW * b"x\n")
    return min(most, int(FEW * AT_ONCE_S / max(0.01, clock.read())))
