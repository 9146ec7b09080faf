"""Helpers for the cases of groupchat: send requests, follow who is in the room."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from harness.conformance.api import Client, Room, Violation
from spec.common.unread_replies import catch_up
from spec.groupchat.messages import Joined, Left, Refused, Reply, Welcome
from spec.groupchat.wire import encode_frame, encode_varint

ANSWER_S = 20.0  # no conforming server that reads our requests takes longer to answer
INVALID_FRAME = encode_frame(b"\x09")  # an unknown tag

Answer = Welcome | Refused
Notice = Joined | Left


class ReceivedText(NamedTuple):
    """A text that a client received: the name of its sender, and the number of the message."""

    name: str
    number: int


# --- requests


def answers(client: Client) -> list[Answer]:
    """Return the answers that a client has received so far."""
    return [note.value for note in client.notes if isinstance(note.value, Welcome | Refused)]


def has_answer(client: Client) -> bool:
    """Return whether a client has received an answer."""
    return bool(answers(client))


async def wait_for(client: Client, condition: Callable[[], bool], what: str) -> None:
    """Wait until a client has received what makes the condition true.

    Args:
        client: the client that waits.
        condition: whether it has received what it waits for.
        what: describes this in the failure's message, after "never received".

    Raises:
        Violation: the condition does not become true.
    """
    if not await client.wait_while_receiving(condition, ANSWER_S):
        ended = f" (the server closed the connection: {client.closed})" if client.closed else ""
        raise Violation(f"{client} never received {what}{ended}", kind="silent", clients=(client.number,))


async def send_and_get_answer(client: Client, data: bytes, count: int = 1) -> Answer:
    """Send requests and wait for their answers.

    Args:
        client: the client that sends.
        data: the frames of the requests.
        count: the number of answers that they must get.

    Returns:
        The last answer.

    Raises:
        Violation: an answer does not arrive.
    """
    expected = len(answers(client)) + count
    await client.send_raw(data)
    what = f"an answer to {data[:12].hex(' ')}, {len(data)} bytes"
    await wait_for(client, lambda: len(answers(client)) >= expected, what)
    return answers(client)[expected - 1]


async def request_name(client: Client, name: str) -> Answer:
    """Send a Join, even with an invalid name, and return the answer; if welcomed, the client takes the name."""
    answer = await send_and_get_answer(client, join_frame(name))
    if isinstance(answer, Welcome):
        client.name = name
    return answer


def join_frame(name: str) -> bytes:
    """Return the frame of Join(name), even if the name is invalid."""
    text = name.encode()
    return encode_frame(b"\x00" + encode_varint(len(text)) + text)


async def must_refuse(client: Client, data: bytes, what: str) -> Refused:
    """Send a request that must be refused.

    Args:
        client: the client that sends.
        data: the frame of the request.
        what: describes the request in the failure's message.

    Returns:
        The answer.

    Raises:
        Violation: the request is not refused.
    """
    answer = await send_and_get_answer(client, data)
    if not isinstance(answer, Refused):
        raise Violation(f"{what} was not refused: {client} received {answer!r}", clients=(client.number,))
    return answer


async def refused_after_a_pause(room: Room, bystander: Client) -> Client:
    """Return a guest that has sent thousands of invalid frames, and read the answers a moment later.

    It may have been disconnected, because it did not read.

    Args:
        room: the room.
        bystander: a client that is served meanwhile.

    Raises:
        Violation: it is connected, but has not received one Refused for each.
    """
    guest = await room.connect(small=True, joins=False)
    try:
        replies = await catch_up(room, guest, bystander, INVALID_FRAME)
    except Violation:
        room.check_alive()
        if not guest.closed:
            raise
    else:
        for reply in replies:
            if not isinstance(reply, Refused):
                raise Violation(f"{guest} sent invalid frames and received {reply!r}", clients=(guest.number,))
    return guest


async def connect_guest(room: Room) -> Client:
    """Return a connected client that has not joined."""
    return await room.connect(joins=False)


async def join_as(room: Room, name: str) -> Client:
    """Return a client that has joined under this name; raise Violation when it is not welcomed."""
    client = await connect_guest(room)
    answer = await request_name(client, name)
    if not isinstance(answer, Welcome):
        raise Violation(f"{name!r} is valid and free, but the answer was {answer!r}", clients=(client.number,))
    return client


# --- replies


def notices(client: Client) -> list[Notice]:
    """Return the notices that a client has received so far."""
    return [note.value for note in client.notes if isinstance(note.value, Joined | Left)]


async def wait_for_notice(client: Client, notice: Notice, times: int = 1) -> None:
    """Wait until a client has received a notice so many times.

    Args:
        client: the client that waits.
        notice: the notice.
        times: how many times it must have been received since the client connected.

    Raises:
        Violation: the notice does not arrive so often.
    """
    await wait_for(client, lambda: notices(client).count(notice) >= times, f"{notice!r}")


async def must_receive_only(client: Client, expected: Sequence[Reply], why: str) -> None:
    """Check that a guest has received these replies and nothing else.

    The client sends a request that is refused: everything else must have arrived before the answer.

    Args:
        client: a client that has not joined.
        expected: the replies.
        why: describes the client in the failure's message, after its number.

    Raises:
        Violation: it has received anything else.
    """
    await must_refuse(client, INVALID_FRAME, "a payload that is not a Request")
    replies = [note.value for note in client.notes[:-1]]
    if replies != list(expected) or client.received:
        received = f"{replies[:5]!r} and {len(client.received)} texts"
        raise Violation(f"{client} {why}, but received {received}", clients=(client.number,))


def everything_received(client: Client) -> Iterator[Reply | ReceivedText]:
    """Yield the texts, notices and answers that a client has received, in order."""
    senders = zip(client.received, client.sender_names, strict=True)
    texts = [ReceivedText(name, number) for number, (_, name) in senders]
    done = 0
    for note in client.notes:
        yield from texts[done : note.after]
        done = note.after
        yield note.value  # type: ignore[misc]
    yield from texts[done:]


def members_seen_by(client: Client) -> set[str]:
    """Return the names in the room, including the client's own, according to everything that it has received.

    Raises:
        Violation: something that it has received contradicts what came before. The requirement is that of the first
            contradiction.
    """
    present: set[str] | None = None
    for place, value in enumerate(everything_received(client), 1):

        def contradiction(what: str, requirement: str, place: int = place) -> Violation:
            sentence = f"{client} ({client.name}) received {what} (number {place} of everything it received)"
            return Violation(sentence, requirement, clients=(client.number,))

        match value:
            case Welcome(names):
                if present is not None:
                    raise contradiction("Welcome a second time", "GC-JOIN-6")
                if client.name in names or len(set(names)) < len(names):
                    raise contradiction(f"{value!r}, with its own name or with a repeated name", "GC-JOIN-2")
                present = {*names, client.name or ""}
            case Refused():
                pass
            case _ if present is None:
                raise contradiction(f"{value!r} before it was welcomed", "GC-GUEST-1")
            case Joined(name):
                if name in present:
                    requirement = "GC-JOIN-3" if name == client.name else "GC-ROOM-1"
                    raise contradiction(f"{value!r}, but that name was in the room already", requirement)
                present.add(name)
            case Left(name):
                if name not in present:
                    raise contradiction(f"{value!r}, but that name was not in the room", "GC-LEAVE-1")
                present.remove(name)
            case ReceivedText(name):
                if name not in present:
                    raise contradiction(f"a text from {name!r}, but that name was not in the room", "GC-ROOM-2")
    return present or set()


def names_of(clients: Iterable[Client]) -> set[str]:
    """Return the names of these clients."""
    return {client.name or "" for client in clients}


def _sees(client: Client, names: set[str]) -> bool:
    return members_seen_by(client) == names


async def wait_until_all_know(clients: Sequence[Client], names: set[str]) -> None:
    """Wait until, according to each of these clients, exactly these names are in the room.

    Raises:
        Violation: a client still sees other names, or received something contradictory.
    """
    for client in clients:
        if not await client.wait_while_receiving(partial(_sees, client, names), ANSWER_S):
            extra, missing = members_seen_by(client) - names, names - members_seen_by(client)
            raise Violation(
                f"according to {client} ({client.name}), these are in the room but should not be: {_listed(extra)}; "
                f"and these should be but are not: {_listed(missing)}",
                clients=(client.number,),
            )


async def wait_until_those_connected_know(clients: Iterable[Client]) -> list[Client]:
    """Wait until all of these clients that are still connected know that exactly they are in the room; return them.

    A client that has not read may be disconnected, also some time after it reads again.

    Raises:
        Violation: as `wait_until_all_know`.
    """
    while True:
        members = [client for client in clients if not client.closed]
        try:
            await wait_until_all_know(members, names_of(members))
        except Violation:
            if not any(client.closed for client in members):
                raise
        else:
            return members


def _listed(names: set[str]) -> str:
    shown = sorted(names)[:5]
    return f"{', '.join(shown) or 'none'}{f' and {len(names) - 5} more' if len(names) > 5 else ''}"
