#!/usr/bin/env python3
"""Broadcast on Twisted, with its Int8StringReceiver: one protocol object per connection, called by one reactor.

Order: stringReceived hands its message to the transports of all clients before the reactor calls another protocol.
A slow client: its transport keeps what the kernel has not taken. When that is more than LIMIT bytes, the
transport pauses its producer, and the client is not in the room until all of it is sent.
"""

import re
import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.task import react
from twisted.protocols.basic import Int8StringReceiver
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure
from zope.interface import implementer

BACKLOG = 1024
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
TURN = 256  # messages of one client in a row, before the reactor serves the others
LINGER_S = 10  # for a client that has closed its sending side to read what is unsent


@implementer(IHalfCloseableProtocol)
class Client(Int8StringReceiver, TimeoutMixin):
    transport: Any
    pauseProducing: Any  # Twisted has no types for these three
    resumeProducing: Any
    setTimeout: Any
    left = TURN

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self.transport.bufferSize = LIMIT  # beyond this it pauses its producer; it is also the size of a read
        room.add(self)
        self.transport.registerProducer(Feed(self), True)

    def stringReceived(self, string: bytes) -> None:
        broadcast(string)
        self.left -= 1
        if self.left == 0:  # one read may bring 262,144 messages, and without this all of them would be its turn
            self.left = TURN
            self.pauseProducing()
            self.transport.reactor.callLater(0, self.resumeProducing)

    def readConnectionLost(self) -> None:
        """The client has ended its stream. Without this method Twisted would close at once, and lose what is unsent."""
        room.discard(self)
        self.transport.unregisterProducer()  # loseConnection would wait for it
        self.transport.loseConnection()  # when what is unsent is sent
        self.setTimeout(LINGER_S)  # the client may never read it

    def writeConnectionLost(self) -> None: ...  # the interface has it; it is called only after loseWriteConnection

    def timeoutConnection(self) -> None:
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.setTimeout(None)


@implementer(IPushProducer)
class Feed:
    """What the room produces for one client, as the transport of this client sees it.

    It is not the client itself, because the pauseProducing of Int8StringReceiver would stop reading from it.
    """

    def __init__(self, client: Client) -> None:
        self.client = client

    def pauseProducing(self) -> None:
        """Drop policy: a client that is too far behind misses the messages until it has caught up."""
        room.discard(self.client)

    def resumeProducing(self) -> None:
        room.add(self.client)

    def stopProducing(self) -> None:  # the connection has ended
        room.discard(self.client)


room: set[Client] = set()  # the clients that keep up


def broadcast(message: bytes) -> None:
    # Not client.sendString(message): each client behind would keep a copy of its own of every small message.
    string = bytes([len(message)]) + message
    for client in tuple(room):  # a copy, because a client that falls behind leaves it
        client.transport.write(string)


async def accept(reactor: Any, host: str, port: int) -> int:
    """Listen; return the port."""
    # When no descriptor is left, Twisted gives up a reserved one to accept the connections that wait, and close them.
    endpoint: Any = (TCP6ServerEndpoint if ":" in host else TCP4ServerEndpoint)(reactor, port, BACKLOG, host)
    listener = await endpoint.listen(Factory.forProtocol(Client))
    return int(listener.getHost().port)


# Boilerplate: the address, the start. The reactor handles the signals.


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: broadcast.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
        sys.exit(2)
    return match[1] or match[2], int(match[3])


async def main(reactor: Any, host: str, port: int) -> None:
    shown = f"[{host}]" if ":" in host else host
    try:
        port = await accept(reactor, host, port)
    except (CannotListenError, UnicodeError) as error:
        sys.exit(f"cannot listen on {shown}:{port}: {error}")
    # Not before the reactor runs: only then does it handle signals.
    reactor.callWhenRunning(print, f"listening on {shown}:{port}", flush=True)
    await Deferred()


if __name__ == "__main__":
    react(main, parse_address(sys.argv[1:]))
