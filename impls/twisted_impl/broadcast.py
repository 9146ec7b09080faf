#!/usr/bin/env python3
"""Broadcast on Twisted: one protocol object per connection, called by one reactor.

Order: every dataReceived appends its whole messages to `pending`; what is collected there in one turn of
the reactor is offered to every client as one batch, so that all receive the same order.
A slow client: its transport pulls from its outbox when everything before it is sent. While the outbox
holds more than LIMIT bytes, the client misses new batches, always as whole messages.
"""

import re
import socket
import sys
from collections import deque
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IHalfCloseableProtocol, IPullProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

BACKLOG = 1024
CHUNK = 64 * 1024  # bytes per read: Twisted's default
WRITE = 128 * 1024  # bytes handed to a transport at once: as much as it sends with one call
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
LINGER_MS = 10_000  # for a client that has closed its sending side to read what is unsent

reactor: Any = installed_reactor  # Any: mypy cannot read zope's interfaces


@implementer(IHalfCloseableProtocol, IPullProducer)
class Client(Protocol):
    """The methods that Twisted calls; they pass on to plain functions."""

    transport: Any

    def connectionMade(self) -> None:
        self.rest = b""
        self.outbox = bytearray()
        self.idle = True  # the transport has nothing left to send
        self.transport.setTcpNoDelay(True)
        # A pull producer: a push producer is paused early, because the transport counts some bytes that
        # are already sent, and once paused it is not resumed before everything is sent.
        self.transport.registerProducer(self, False)
        room.add(self)

    def dataReceived(self, data: bytes) -> None:
        serve(self, data)

    def resumeProducing(self) -> None:
        write(self)

    def stopProducing(self) -> None: ...

    def writeConnectionLost(self) -> None: ...

    def readConnectionLost(self) -> None:
        flush()  # a client that disconnects right after sending still receives its own messages
        room.discard(self)
        self.transport.write(bytes(self.outbox))
        self.transport.unregisterProducer()  # else loseConnection would wait for it for ever
        self.transport.getHandle().setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, LINGER_MS)
        self.transport.loseConnection()  # what is unsent is sent first, but not to a client that never reads it

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        room.discard(self)


room: set[Client] = set()
pending: deque[bytes] = deque()  # batches of whole messages in their final order, not yet offered to the clients


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
    data = client.rest + chunk
    end = whole_messages(data)
    if end:
        broadcast(data[:end])
    client.rest = data[end:]


def write(client: Client) -> None:
    """Hand the outbox to the transport, which has sent everything before it."""
    data = bytes(client.outbox[:WRITE])
    del client.outbox[:WRITE]
    client.idle = not data
    client.transport.write(data)


def whole_messages(data: bytes) -> int:
    """Return the length of the longest prefix of `data` that consists of whole messages."""
    end, size = 0, len(data)
    while end < size:
        following = end + 1 + data[end]
        if following > size:
            break
        end = following
    return end


def broadcast(batch: bytes) -> None:
    """Append these messages to the common order."""
    if not pending:
        reactor.callLater(0, flush)  # other ready clients are read first
    pending.append(batch)


def flush() -> None:
    """Offer what is pending as one batch: one offer per client, however many clients have sent."""
    while pending:
        batch = b""
        while pending and len(batch) < CHUNK:  # a longer batch might make clients miss the next one
            batch += pending.popleft()
        for client in room:
            offer(client, batch)


def offer(client: Client, batch: bytes) -> None:
    """Drop policy: a client gets all of the batch, or none of it if it is too far behind."""
    if len(client.outbox) <= LIMIT:
        client.outbox += batch
        if client.idle:
            write(client)


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: broadcast.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
        sys.exit(2)
    return match[1] or match[2], int(match[3])


if __name__ == "__main__":
    main(parse_address(sys.argv[1:]))
