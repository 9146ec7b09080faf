#!/usr/bin/env python3
"""Broadcast on Twisted: one protocol object per connection, called by one reactor.

Order: every dataReceived appends its whole messages to the one `tick`, and what gathered
there in one turn of the reactor goes to every outbox at once: that is the common order.
A slow client: its transport pulls from its outbox whenever all before is sent; while
more than LIMIT bytes stand there, the client misses new batches, always as whole messages.
"""

import re
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
CHUNK = 64 * 1024  # bytes a read: Twisted's own figure
WRITE = 128 * 1024  # bytes handed to a transport at once: what it sends in one go
LIMIT = 256 * 1024  # bytes unsent beyond which a client misses what is new

reactor: Any = installed_reactor  # Any: mypy cannot read zope's interfaces


@implementer(IHalfCloseableProtocol, IPullProducer)
class Client(Protocol):
    """The names that Twisted calls; each passes on to the function that does it."""

    transport: Any

    def connectionMade(self) -> None:
        self.rest = b""
        self.outbox = bytearray()
        self.idle = True  # the transport has nothing left to send
        self.transport.setTcpNoDelay(True)
        # It pulls: a push producer, once paused, is not resumed before everything is sent,
        # and is paused early, because the transport counts some bytes that are sent already.
        self.transport.registerProducer(self, False)
        room.add(self)

    def dataReceived(self, data: bytes) -> None:
        serve(self, data)

    def resumeProducing(self) -> None:
        write(self)

    def stopProducing(self) -> None: ...

    def writeConnectionLost(self) -> None: ...

    def readConnectionLost(self) -> None:
        flush()  # who hangs up right after speaking still hears it
        room.discard(self)
        self.transport.write(bytes(self.outbox))
        self.transport.unregisterProducer()  # or loseConnection would wait for it for ever
        self.transport.loseConnection()  # sends what is unsent first

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        room.discard(self)


room: set[Client] = set()
tick: deque[bytes] = deque()  # batches of whole messages in their final order, not yet offered


def main(address: tuple[str, int]) -> None:
    host, port = address
    shown = f"[{host}]" if ":" in host else host
    try:
        port = accept(host, port)
    except (CannotListenError, UnicodeError) as error:
        sys.exit(f"cannot listen on {shown}:{port}: {error}")
    # Once it runs, because only then does it handle signals.
    reactor.callWhenRunning(lambda: print(f"listening on {shown}:{port}", flush=True))
    reactor.run()  # until SIGINT or SIGTERM


def accept(host: str, port: int) -> int:
    # When no descriptor is left, Twisted gives up a reserved one to hang up on the newcomer.
    listener = reactor.listenTCP(port, Factory.forProtocol(Client), BACKLOG, host)
    return int(listener.getHost().port)


def serve(client: Client, chunk: bytes) -> None:
    data = client.rest + chunk
    end = whole_messages(data)
    if end:
        broadcast(data[:end])
    client.rest = data[end:]


def write(client: Client) -> None:
    """Give the transport, which has sent all it had, what has gathered in the meantime."""
    data = bytes(client.outbox[:WRITE])
    del client.outbox[:WRITE]
    client.idle = not data
    client.transport.write(data)


def whole_messages(data: bytes) -> int:
    """The length of the longest prefix of `data` that consists of whole messages."""
    end, size = 0, len(data)
    while end < size:
        following = end + 1 + data[end]
        if following > size:
            break
        end = following
    return end


def broadcast(batch: bytes) -> None:
    """Put these messages next in the common order."""
    if not tick:
        reactor.callLater(0, flush)  # whoever else is ready to speak does so before
    tick.append(batch)


def flush() -> None:
    """Hand over what has gathered: one offer a client, however many have spoken."""
    while tick:
        batch = b""
        while tick and len(batch) < CHUNK:  # a longer one might leave no room for the next
            batch += tick.popleft()
        for client in room:
            offer(client, batch)


def offer(client: Client, batch: bytes) -> None:
    """Drop policy: all of the batch, or none of it for a client that is too far behind."""
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
