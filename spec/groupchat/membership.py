"""What the cases of groupchat do and look at: who asks, who is in the room, and whether all have been told the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from harness.conformance.api import Client, Room, Violation
from spec.groupchat.messages import Joined, Left, Refused, Reply, Welcome
from spec.groupchat.wire import encode_frame

ANSWER_S = 20.0  # without an answer; no lawful server that reads our requests is that slow
INVALID_FRAME = encode_frame(b"\x09")  # a tag that there is not

Answer = Welcome | Refused
Notice = Joined | Left


class ReceivedText(NamedTuple):
    """A text that somebody heard: who said it, and the number of the message."""

    name: str
    number: int


# --- asking


def answers(one: Client) -> list[Answer]:
    """Return what a client was answered so far."""
    return [note.value for note in one.notes if isinstance(note.value, Welcome | Refused)]


async def wait_for(one: Client, condition: Callable[[], bool], what: str) -> None:
    """Wait until what a client has heard makes it so; raise Violation, "ann never heard WHAT", if it never does."""
    if not await one.wait_until(condition, ANSWER_S):
        ended = f" (the server closed the connection: {one.closed})" if one.closed else ""
        raise Violation(f"{one} never heard {what}{ended}", kind="silent", clients=(one.number,))


async def send_and_get_answer(one: Client, data: bytes, count: int = 1) -> Answer:
    """Send something that has this many answers; return the last of them."""
    due = len(answers(one)) + count
    await one.send_raw(data)
    await wait_for(one, lambda: len(answers(one)) >= due, f"an answer to {data[:12].hex(' ')}, {len(data)} bytes")
    return answers(one)[due - 1]


async def request_name(one: Client, name: str) -> Answer:
    """Ask for a name, be it lawful or not; return the answer. Who is welcomed is called so from now on."""
    answer = await send_and_get_answer(one, join_frame(name))
    if isinstance(answer, Welcome):
        one.name = name
    return answer


def join_frame(name: str) -> bytes:
    """Return the frame of Join(name), also of a name that is not lawful."""
    text = name.encode()
    if len(text) < 128:
        return encode_frame(bytes((0, len(text))) + text)
    return encode_frame(bytes((0, len(text) & 0x7F | 0x80, len(text) >> 7)) + text)


async def must_refuse(one: Client, data: bytes, what: str) -> Refused:
    """Send something that must be refused; return the answer."""
    answer = await send_and_get_answer(one, data)
    if not isinstance(answer, Refused):
        raise Violation(f"{what} was not refused: {one} was answered {answer!r}", clients=(one.number,))
    return answer


async def connect_guest(room: Room) -> Client:
    """Connect somebody who has not joined."""
    return await room.connect(joins=False)


async def join_as(room: Room, name: str) -> Client:
    """Connect somebody who joins under this name; raise Violation when it is not welcomed."""
    one = await connect_guest(room)
    answer = await request_name(one, name)
    if not isinstance(answer, Welcome):
        raise Violation(f"{name!r} is lawful and free, and was answered {answer!r}", clients=(one.number,))
    return one


# --- hearing


def notices(one: Client) -> list[Notice]:
    """Return who came and went, as a client was told."""
    return [note.value for note in one.notes if isinstance(note.value, Joined | Left)]


async def wait_for_notice(one: Client, notice: Notice, times: int = 1) -> None:
    """Wait until a client has been told a notice so many times."""
    await wait_for(one, lambda: notices(one).count(notice) >= times, f"{notice!r}")


async def must_receive_only(one: Client, expected: Sequence[Reply], why: str) -> None:
    """Raise Violation when somebody who is no member, or whose notes are told here, hears anything else.

    It asks something that is refused: what came before that answer is all that came.
    """
    await must_refuse(one, INVALID_FRAME, "a payload that is no Request")
    heard = [note.value for note in one.notes[:-1]]
    if heard != list(expected) or one.received:
        raise Violation(f"{one} {why}, and heard {heard[:5]!r} and {len(one.received)} texts", clients=(one.number,))


def everything_received(one: Client) -> Iterator[Reply | ReceivedText]:
    """Return all that a client was told, in its order."""
    texts = [ReceivedText(name, number) for number, (_, name) in zip(one.received, one.sender_names, strict=True)]
    done = 0
    for note in one.notes:
        yield from texts[done : note.after]
        done = note.after
        yield note.value  # type: ignore[misc]
    yield from texts[done:]


def members_seen_by(one: Client) -> set[str]:
    """Return who is in the room, itself included, by all that a client was told; raise Violation if it makes no sense.

    The requirement in the Violation is that of the first thing that makes none.
    """
    here: set[str] | None = None
    for place, thing in enumerate(everything_received(one), 1):

        def wrong(what: str, requirement: str, place: int = place) -> Violation:
            sentence = f"{one} ({one.name}) was told {what}: the {place}th thing that it was told"
            return Violation(sentence, requirement, clients=(one.number,))

        match thing:
            case Welcome(names):
                if here is not None:
                    raise wrong("Welcome a second time", "GC-JOIN-6")
                if one.name in names or len(set(names)) < len(names):
                    raise wrong(f"{thing!r}, with its own name or with one twice", "GC-JOIN-2")
                here = {*names, one.name or ""}
            case Refused():
                pass
            case _ if here is None:
                raise wrong(f"{thing!r}, before it was welcomed", "GC-GUEST-1")
            case Joined(name):
                if name in here:
                    raise wrong(f"{thing!r}, who was there", "GC-JOIN-3" if name == one.name else "GC-ROOM-1")
                here.add(name)
            case Left(name):
                if name not in here:
                    raise wrong(f"{thing!r}, who was not there", "GC-LEAVE-1")
                here.remove(name)
            case ReceivedText(name):
                if name not in here:
                    raise wrong(f"what {name} said, who was not there", "GC-ROOM-2")
    return here or set()


async def wait_until_all_know(clients: Sequence[Client], names: set[str]) -> None:
    """Wait until all of these have been told that just these are in the room."""
    for one in clients:
        if not await one.wait_until(lambda one=one: members_seen_by(one) == names, ANSWER_S):  # type: ignore[misc]
            more, less = members_seen_by(one) - names, names - members_seen_by(one)
            raise Violation(
                f"{one} ({one.name}) was told that {_listed(more)} are in the room, who are not, "
                f"and was not told of {_listed(less)}",
                clients=(one.number,),
            )


def _listed(names: set[str]) -> str:
    shown = sorted(names)[:5]
    return f"{', '.join(shown) or 'none'}{f' and {len(names) - 5} more' if len(names) > 5 else ''}"


def must_have_one_order(clients: Sequence[Client]) -> None:
    """Raise Violation when no single order of texts and notices fits what these, who are still there, were told.

    Whoever is welcomed stands at its own Joined: behind that of all it was welcomed by, and behind the Left of all
    who have been there and whom it was not told of. No name may have been used twice.
    """
    streams = {one: list(everything_received(one)) for one in clients}
    order: TopologicalSorter[object] = TopologicalSorter()
    for one, stream in streams.items():
        last: object = None
        known = {thing.name for thing in stream if isinstance(thing, Joined)}
        gone = _left_before_its_end(one, stream, streams.values())
        for thing in stream:
            match thing:
                case Refused():
                    continue
                case Welcome(names):
                    node: object = Joined(one.name or "")
                    order.add(node, *map(Joined, names))
                    unknown = (left for left in gone if left.name not in known and left.name not in names)
                    order.add(node, *(left for left in unknown if left.name != one.name))
                case ReceivedText():
                    node = thing.number
                case _:
                    node = thing
            if last is not None:
                order.add(node, last)
            last = node
    try:
        order.prepare()
    except CycleError as error:
        shown = ", ".join(f"message {node}" if isinstance(node, int) else repr(node) for node in error.args[1][:8])
        raise Violation(f"no one order fits what all were told; each of these came before the next: {shown}") from None


def _left_before_its_end(
    one: Client, stream: Sequence[Reply | ReceivedText], streams: Iterable[Sequence[Reply | ReceivedText]]
) -> set[Left]:
    """Return each Left that somebody was told before something that `one` was told as well, or before its Joined.

    Of others nothing follows: what came after that may still be on its way to `one`.
    """
    ordered = (Joined, Left, ReceivedText)
    shared = {thing for thing in stream if isinstance(thing, ordered)} | {Joined(one.name or "")}
    found: set[Left] = set()
    for other in streams:
        places = [place for place, thing in enumerate(other) if isinstance(thing, ordered) and thing in shared]
        found.update(thing for thing in other[: max(places, default=0)] if isinstance(thing, Left))
    return found
