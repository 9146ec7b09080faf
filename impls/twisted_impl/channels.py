#!/usr/bin/env python3
"""Channels on Twisted: one protocol object per connection, called by one reactor.

Order: a protocol hands a message to the transports of all subscribers before the reactor calls another
protocol. Replies go the same way.
A slow client: its transport keeps what the kernel has not taken. When that is more than LIMIT bytes, the transport
pauses its producer: until all of it is sent, the client misses messages; and after the next reply, its requests wait.
"""

import json
import re
import sys
from collections import deque
from typing import Any, NoReturn

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import react
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure
from zope.interface import implementer

BACKLOG = 1024
LINE = 64 * 1024  # bytes of the longest request, including its line feed
LIMIT = 256 * 1024  # a client with more bytes unsent misses new messages
TURN = 256  # requests of one client in a row, before the reactor serves the others
LINGER_S = 10  # for a client that has closed its sending side to read what is unsent
PAUSE_S = 30  # for a client with too many unsent replies to read all of them


@implementer(IPushProducer, IHalfCloseableProtocol)
class Client(Protocol, TimeoutMixin):
    transport: Any
    setTimeout: Any  # Twisted has no types for it

    def connectionMade(self) -> None:
        self.channels: set[str] = set()
        self.lines: deque[bytes] = deque()  # requests that have been read, and not yet carried out
        self.rest = b""  # the beginning of an unfinished line
        self.behind = False  # it misses messages
        self.full = False  # its requests wait
        self.transport.setTcpNoDelay(True)
        self.transport.bufferSize = LIMIT  # beyond this it pauses its producer; it is also the size of a read
        self.transport.registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        # Not a LineOnlyReceiver: it forgets the lines that follow one that is too long, and cannot stop within a read.
        *lines, rest = (self.rest + data).split(b"\n")
        self.rest = rest[:LINE]  # enough to see that a line is too long, without keeping all of it
        self.lines.extend(lines)
        self.work()

    def work(self) -> None:
        """Carry out the requests that have been read, at most TURN of them in a row; then read on."""
        for _ in range(TURN):
            if self.full or not self.lines:
                break
            handle(self, self.lines.popleft())
        if self.full:
            return  # resumeProducing goes on
        if self.lines:  # one read may bring thousands of requests, and without this all of them would be its turn
            self.transport.pauseProducing()
            self.transport.reactor.callLater(0, self.work)
        else:
            self.transport.resumeProducing()

    def pauseProducing(self) -> None:
        self.behind = True

    def resumeProducing(self) -> None:  # all is sent
        self.behind = False
        if self.full:
            self.full = False
            self.setTimeout(None)
            self.work()

    def stopProducing(self) -> None: ...  # the connection has ended, and connectionLost follows

    def readConnectionLost(self) -> None:
        """The client has ended its stream. Without this method Twisted would close at once, and lose what is unsent."""
        leave(self)
        self.transport.unregisterProducer()  # loseConnection would wait for it
        self.transport.loseConnection()  # when what is unsent is sent
        self.setTimeout(LINGER_S)  # the client may never read it

    def writeConnectionLost(self) -> None: ...  # the interface has it; it is called only after loseWriteConnection

    def timeoutConnection(self) -> None:
        self.transport.abortConnection()  # loseConnection would send what is unsent first

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        while self.lines:  # what it said before it left counts; what is sent to it is dropped
            handle(self, self.lines.popleft())
        self.setTimeout(None)
        leave(self)


channels: dict[str, set[Client]] = {}  # the subscribers of every channel that has any
encoder = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


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
    """Forget the client, and the channels that have no other subscriber."""
    while client.channels:
        channel = client.channels.pop()
        channels[channel].discard(client)
        if not channels[channel]:
            del channels[channel]


def offer(client: Client, delivery: bytes) -> None:
    """Drop policy: a client that is too far behind misses the message."""
    if not client.behind:
        client.transport.write(delivery)


def send(client: Client, reply: bytes) -> None:
    client.transport.write(reply)
    if client.behind:  # no more requests until this reply is sent
        client.full = True
        client.transport.pauseProducing()
        client.setTimeout(PAUSE_S)  # the end of its stream is not seen meanwhile


def decode(line: bytes) -> Any:
    if len(line) >= LINE:
        raise ValueError(f"a request has at most {LINE} bytes")
    # Each level of nesting takes up stack, so lines that are nested deeper than any request do not reach json.
    outside_strings = b"".join(line.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2])
    if b"[" in outside_strings or outside_strings.count(b"{") > 2:
        raise ValueError("no such request")
    return json.loads(line.decode(), parse_constant=refuse)


def refuse(constant: str) -> NoReturn:
    """Python takes NaN and Infinity, which are no JSON."""
    raise ValueError(f"{constant} is not JSON")


def encode(reply: object) -> bytes:
    """Raise ValueError for a lone surrogate, which JSON can express and UTF-8 cannot."""
    return encoder.encode(reply).encode() + b"\n"


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
        print("usage: channels.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
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
