#!/usr/bin/env python3
"""A group chat on trio: structured concurrency, two tasks and a memory channel for every connection.

Order: the running task puts a message or a notice into the memory channels of all members before any
other task runs. Replies go the same way.
A slow client: only its own two tasks wait for it. While more than LIMIT bytes for it are unsent,
it misses new messages; while replies make it twice as many, its requests wait; and when notices,
which no member may miss, make it three times as many, it is disconnected.
"""

import logging
import math
import re
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, field

import trio

from spec.groupchat.messages import Join, Joined, Left, Refused, Reply, Request, Said, Say, Welcome
from spec.groupchat.serdy import dumps, loads

FRAME = 64 * 1024 - 1  # bytes of the longest payload: a length has two bytes
READ = 16 * 1024  # bytes per read: enough for hundreds of requests, small enough to be fair
WRITE = 64 * 1024  # bytes per write
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
LINGER_S = 10.0  # for a client that has closed its sending side to read what is unsent
PAUSE_S = 30.0  # for a client with too many unsent replies to read some of them


@dataclass(eq=False)  # clients are compared and hashed by identity
class Client:
    stream: trio.SocketStream
    outbox: trio.MemorySendChannel[bytes]
    tasks: trio.CancelScope  # of both tasks
    name: str | None = None  # None until the client has joined; until then it gets no messages
    unsent: int = 0  # bytes that the kernel has not taken yet, in the memory channel or on their way from it
    sent: trio.Event = field(default_factory=trio.Event)  # set after each send


members: dict[str, Client] = {}  # the clients that have joined, by name


async def serve(stream: trio.SocketStream) -> None:
    outbox, waiting = trio.open_memory_channel[bytes](math.inf)  # bounded in bytes, by `offer`, `pause` and `announce`
    try:
        async with trio.open_nursery() as pair:
            client = Client(stream, outbox, pair.cancel_scope)
            pair.start_soon(write, client, waiting)
            rest = b""
            try:
                while chunk := await stream.receive_some(READ):
                    payloads, rest = cut(rest + chunk)
                    for payload in payloads:
                        handle(client, payload)
                        await pause(client)
            finally:
                leave(client)
                pair.cancel_scope.deadline = trio.current_time() + LINGER_S  # even if the client never reads
    except* (trio.BrokenResourceError, trio.TooSlowError):
        pass  # a reset or too long a pause, either of which ends both tasks


async def write(client: Client, waiting: trio.MemoryReceiveChannel[bytes]) -> None:
    """Send what the memory channel holds: all that is added during one send goes out with the next."""
    async for first in waiting:
        frames = [first]
        with suppress(trio.WouldBlock, trio.EndOfChannel):
            while True:
                frames.append(waiting.receive_nowait())
        data = b"".join(frames)
        for begin in range(0, len(data), WRITE):  # in parts, so that `pause` sees that a slow client reads
            part = data[begin : begin + WRITE]
            with suppress(trio.BrokenResourceError):  # a reset; what came before it is still read
                await client.stream.send_all(part)
            client.unsent -= len(part)
            client.sent.set()  # the reading task may be waiting for it


async def pause(client: Client) -> None:
    """Wait while too many replies to the client are unsent.

    Not for ever, because the end of its stream is not seen meanwhile.
    """
    while client.unsent > 2 * LIMIT:
        client.sent = trio.Event()
        with trio.fail_after(PAUSE_S):
            await client.sent.wait()


def cut(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the payloads of all whole frames, and the unfinished rest."""
    payloads, end = [], 0
    while (begin := end + 2) <= len(data):
        following = begin + int.from_bytes(data[end:begin], "big")
        if following > len(data):
            break
        payloads.append(data[begin:following])
        end = following
    return payloads, data[end:]


def handle(client: Client, payload: bytes) -> None:
    """Carry out the request in a frame, or reply why not."""
    try:
        obey(client, loads(payload, Request))
    except ValueError as error:
        send(client, encode(Refused(str(error))))


def obey(client: Client, request: Join | Say) -> None:
    match request:
        case Join(name) if client.name is None:
            if name in members:
                raise ValueError("this name is taken")
            send(client, encode(Welcome(list(members))))
            announce(Joined(name))
            members[name] = client
            client.name = name
        case Say(text) if client.name is not None:
            delivery = encode(Said(client.name, text))
            for member in members.values():
                offer(member, delivery)
        case Join():
            raise ValueError("you have already joined")
        case Say():
            raise ValueError("join first")


def leave(client: Client) -> None:
    """Forget the client; if it was a member, announce that it has left."""
    if client.name is not None:
        del members[client.name]
        announce(Left(client.name))
    client.outbox.close()  # the writing task sends what is unsent, and ends


def announce(notice: Joined | Left) -> None:
    """Send a notice to all members, and disconnect those too far behind.

    Without the notice, such a member would have a wrong list of members.
    """
    delivery = encode(notice)
    for member in members.values():
        if member.unsent > 3 * LIMIT:
            member.tasks.cancel()  # its reading task then leaves
        else:
            send(member, delivery)


def offer(client: Client, delivery: bytes) -> None:
    """Drop policy: a client that is too far behind misses the message."""
    if client.unsent <= LIMIT:
        send(client, delivery)


def send(client: Client, reply: bytes) -> None:
    client.outbox.send_nowait(reply)
    client.unsent += len(reply)


def encode(reply: Reply) -> bytes:
    """Raise ValueError for a reply that does not fit into a frame, as a Welcome with very many names."""
    payload = dumps(reply, Reply)
    if len(payload) > FRAME:
        raise ValueError("the room is full")
    return len(payload).to_bytes(2, "big") + payload


# Boilerplate: the address, signals, the start.


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: groupchat.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
        sys.exit(2)
    return match[1] or match[2], int(match[3])


async def main(address: tuple[str, int]) -> None:
    host, port = address
    shown = f"[{host}]" if ":" in host else host
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        try:
            listeners = await trio.open_tcp_listeners(port, host=host)
        except (OSError, UnicodeError) as error:
            sys.exit(f"cannot listen on {shown}:{port}: {error}")
        while port == 0 and len(listeners) > 1:  # a name with several addresses: each has a port of its own
            await listeners.pop().aclose()
        # While no descriptor is left, serve_listeners logs a traceback ten times a second. If nothing reads standard
        # error, the write would block all tasks.
        logging.getLogger("trio.serve_listeners").disabled = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, serve, listeners)
            print(f"listening on {shown}:{listeners[0].socket.getsockname()[1]}", flush=True)
            await anext(signals)
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, parse_address(sys.argv[1:]))
