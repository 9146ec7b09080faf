"""What the cases of channels have in common: asking, and waiting for the answers."""

from __future__ import annotations

from collections.abc import Callable, Collection

from harness.conformance.api import Client, Room, Violation
from spec.channels.wire import Request, Subscribe, Subscribed, encode_value

PATIENCE_S = 20.0  # without any sign of life
ATTEMPTS = 20  # to get one message through


def encode_lines(*requests: Request) -> bytes:
    """Return these requests as a client sends them."""
    return b"".join(map(encode_value, requests))


async def replies_to(client: Client, data: bytes, *, since: int | None = None) -> list[object]:
    """Send these lines and one Subscribe behind them; return the replies that come before its answer, in order.

    Nobody has to wait for a reply that does not come: requests are served one after the other.

    Args:
        since: how many of the client's notes are of earlier requests; by default all that it has.

    Raises:
        Violation: the last request is not answered.
    """
    at = len(client.notes) if since is None else since
    end = Subscribed(f"after the {len(client.notes)}th reply to {client}")
    found: list[object] = []

    def is_over() -> bool:
        nonlocal at
        while at < len(client.notes) and (not found or found[-1] != end):
            found.append(client.notes[at].value)
            at += 1
        return bool(found) and found[-1] == end

    await client.send_raw(data + encode_lines(Subscribe(end.channel)))
    await wait_for_replies(client, is_over)
    return found[:-1]


async def wait_for_replies(client: Client, is_over: Callable[[], bool]) -> None:
    """Wait until what a client has asked is answered, as long as anything comes.

    Raises:
        Violation: it is not.
    """
    came = -1
    while not is_over() and client.closed is None and came < client.bytes_received:
        came = client.bytes_received
        await client.wait_until(is_over, PATIENCE_S)
    for fault in client.faults:
        raise Violation(fault.sentence, fault=fault, clients=(client.number,))
    if not is_over():
        how = f"the server closed the connection ({client.closed})" if client.closed else "nothing more came"
        raise Violation(
            f"{client} asked to hear a channel, and was not answered: {how}",
            kind="closed" if client.closed else "silent",
            clients=(client.number,),
        )


async def subscribe(client: Client, *channels: str) -> None:
    """Subscribe to these channels, and wait until all has been answered."""
    wanted: list[object] = [Subscribed(channel) for channel in channels]
    came = await replies_to(client, encode_lines(*map(Subscribe, channels)))
    if came != wanted:
        raise Violation(
            f"{client} subscribed to {len(wanted)} channels, among them {channels[0]!r}, and was answered {came[:3]}"
        )


async def send_until_received(
    room: Room, speaker: Client, hearers: Collection[Client], make: Callable[[str], tuple[bytes, bytes]], what: str
) -> None:
    """Send a line again and again until all of the hearers have received what it says.

    Args:
        make: returns the bytes of the line and the body of its message for a word that makes it unique.
        what: of the line, for a failure.

    Raises:
        Violation: what it says never arrives.
    """
    for _ in range(ATTEMPTS):
        line, body = make(speaker.next_body().decode())
        await speaker.send_raw(line)
        await room.barrier(speaker, [speaker, *hearers])
        if all(room.times_received(one, body) for one in hearers):
            return
    raise Violation(f"{what} never arrives, though it was tried {ATTEMPTS} times")
