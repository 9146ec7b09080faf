#!/usr/bin/env python3
"""Channels on Twisted: one protocol object per connection, called by one reactor.

Order: one dataReceived puts a message into the outboxes of all subscribers before another is called;
they are sent at the end of the reactor's turn. Replies go the same way.
A slow client: its transport pulls from its outbox when everything before it is sent. While the outbox holds
more than LIMIT bytes, the client misses new messages; while it holds twice as many, requests wait.
"""

import json
import re
import socket
import sys
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IHalfCloseableProtocol, IPullProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

BACKLOG = 1024
LINE = 64 * 1024  # bytes of the longest request, including its line feed
READ = 16 * 1024  # bytes per read: enough for hundreds of requests, small enough to be fair
WRITE = 128 * 1024  # bytes handed to a transport at once: as much as it sends with one call
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
LINGER_MS = 10_000  # for a client that has closed its sending side to read what is unsent

reactor: Any = installed_reactor  # Any: mypy cannot read zope's interfaces


@implementer(IHalfCloseableProtocol, IPullProducer)
class Client(Protocol):
    """The methods that Twisted calls; they pass on to plain functions."""

    transport: Any

    def connectionMade(self) -> None:
        self.channels: set[str] = set()
        self.rest = b""
        self.outbox = bytearray()
        self.idle = True  # the transport has nothing left to send
        self.paused = False  # the transport does not read
        self.transport.setTcpNoDelay(True)
        self.transport.bufferSize = READ
        # A pull producer: a push producer is paused early, because the transport counts some bytes that
        # are already sent, and once paused it is not resumed before everything is sent.
        self.transport.registerProducer(self, False)

    def dataReceived(self, data: bytes) -> None:
        serve(self, data)

    def resumeProducing(self) -> None:
        write(self)

    def stopProducing(self) -> None: ...

    def writeConnectionLost(self) -> None: ...

    def readConnectionLost(self) -> None:
        leave(self)
        self.transport.write(bytes(self.outbox))
        self.outbox.clear()
        self.transport.unregisterProducer()  # else loseConnection would wait for it for ever
        self.transport.getHandle().setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, LINGER_MS)
        self.transport.loseConnection()  # what is unsent is sent first, but not to a client that never reads it

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        leave(self)


channels: dict[str, set[Client]] = {}  # the subscribers of every channel that has any
fresh: list[Client] = []  # clients with an idle transport and a new outbox to hand to it
encoder = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def main(address: tuple[str, int]) -> None:
    host, port = address
    shown = f"[{host}]" if ":" in host else host
    try:
        port = accept(host, port)
    except (CannotListenError, UnicodeError) as error:
        sys.exit(f"cannot listen on {shown}:{port}: {error}")
    # Not before the reactor runs: only then does it handle signals.
    reactor.callWhenRunning(lambda: print(f"listening on {shown}:{port}", flush=True))
    reactor.run()  # until SIGINT or SIGTERM


def accept(host: str, port: int) -> int:
    # When no descriptor is left, Twisted gives up a reserved one to accept the next connection and close it.
    listener = reactor.listenTCP(port, Factory.forProtocol(Client), BACKLOG, host)
    return int(listener.getHost().port)


def serve(client: Client, chunk: bytes) -> None:
    *lines, rest = (client.rest + chunk).split(b"\n")
    for line in lines:
        handle(client, line)
    client.rest = rest[:LINE]  # enough to see that a line is too long, without keeping all of it
    pause(client)


def write(client: Client) -> None:
    """Hand the outbox to the transport, which has sent everything before it."""
    data = bytes(client.outbox[:WRITE])
    del client.outbox[:WRITE]
    client.idle = not data
    client.transport.write(data)
    pause(client)


def pause(client: Client) -> None:
    """Read no more requests while too many replies to the client are unsent."""
    if client.paused != (len(client.outbox) > 2 * LIMIT):
        client.paused = not client.paused
        if client.paused:
            client.transport.pauseProducing()
        else:
            client.transport.resumeProducing()


def handle(client: Client, line: bytes) -> None:
    """Carry out the request in a line, or reply why not."""
    try:
        obey(client, decode(line))
    except ValueError as error:
        send(client, encode({"Error": str(error)}))


def obey(client: Client, request: Any) -> None:
    match request:
        case {"Subscribe": str(channel)} if len(request) == 1:
            send(client, encode({"Subscribed": channel}))
            client.channels.add(channel)
            channels.setdefault(channel, set()).add(client)
        case {"Send": {"channel": str(channel), "message": str(message)}} if len(request) == 1:
            delivery = encode({"Message": {"channel": channel, "message": message}})
            if channel not in channels:
                raise ValueError(f"no such channel: {channel}")
            for subscriber in channels[channel]:
                offer(subscriber, delivery)
        case _:
            raise ValueError("no such request")


def leave(client: Client) -> None:
    """Forget the client, and the channels that have no other subscriber; a second call does nothing."""
    while client.channels:
        channel = client.channels.pop()
        channels[channel].discard(client)
        if not channels[channel]:
            del channels[channel]


def offer(client: Client, delivery: bytes) -> None:
    """Drop policy: a client that is too far behind misses the message."""
    if len(client.outbox) <= LIMIT:
        send(client, delivery)


def send(client: Client, reply: bytes) -> None:
    if client.idle and not client.outbox:
        if not fresh:
            reactor.callLater(0, flush)  # other ready clients are read first
        fresh.append(client)
    client.outbox += reply


def flush() -> None:
    while fresh:
        write(fresh.pop())


def decode(line: bytes) -> Any:
    if len(line) >= LINE:
        raise ValueError(f"a request has at most {LINE} bytes")
    # Each level of nesting takes up stack, so lines that are nested deeper than any request do not reach json.
    outside_strings = b"".join(line.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2])
    if b"[" in outside_strings or outside_strings.count(b"{") > 2:
        raise ValueError("no such request")
    return json.loads(line.decode())


def encode(reply: object) -> bytes:
    """Raise ValueError for a lone surrogate, which JSON can express and UTF-8 cannot."""
    return encoder.encode(reply).encode() + b"\n"


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: channels.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
        sys.exit(2)
    return match[1] or match[2], int(match[3])


if __name__ == "__main__":
    main(parse_address(sys.argv[1:]))
