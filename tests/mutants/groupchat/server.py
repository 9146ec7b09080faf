#!/usr/bin/env python3
"""A small correct groupchat server whose methods the mutants override, one or two each.

It extends the broadcast server, from which it has everything that is independent of the protocol: the start, the loop
and the backlogs. A client that does not read loses texts while 256 KiB are queued for it, and loses its connection
when other replies would make that more than 1 MiB.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
from spec.groupchat.messages import Join, Joined, Left, Refused, Reply, Request, Said, Say, Welcome
from spec.groupchat.serdy import DecodeError, dumps, loads
from tests.mutants.broadcast.server import PAUSE_S, Client, main
from tests.mutants.broadcast.server import Server as Connections

__all__ = ["PAUSE_S", "Batching", "Client", "Server", "main"]

HEADER = 2
MAX_PAYLOAD = 0xFFFF
MAX_BACKLOG_BYTES = 1024 * 1024  # texts and other replies together


class Server(Connections):
    """The room; every method may be overridden.

    Attributes:
        names: of the clients that have joined, in the order of joining.
        outgoing: replies to send to the room, each with the client to leave out.
        broadcasting: whether `outgoing` is being sent; a reply that this causes waits its turn.
    """

    one_by_one = True

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.names: dict[Client, str] = {}
        self.outgoing: deque[tuple[Reply, Client | None]] = deque()
        self.broadcasting = False

    # Input

    def complete_length(self, data: bytes | bytearray) -> int:
        end = 0
        while end + HEADER <= len(data):
            size = HEADER + self.length(data, end)
            if end + size > len(data):
                break
            end += size
        return end

    def length(self, data: bytes | bytearray, start: int) -> int:
        """Return the payload length of the frame that begins at `start`."""
        return int.from_bytes(data[start : start + HEADER], "big")

    def messages(self, complete: bytes) -> list[bytes]:
        """Return the payloads of complete frames."""
        payloads, start = [], 0
        while start < len(complete):
            end = start + HEADER + self.length(complete, start)
            payloads.append(complete[start + HEADER : end])
            start = end
        return payloads

    def on_message(self, client: Client, message: bytes) -> None:
        if self.is_connected(client):
            try:
                request = self.parse_request(message)
            except DecodeError as error:
                self.refuse(client, error.reason)
            else:
                self.serve(client, request)

    def parse_request(self, payload: bytes) -> Request:
        """Return the request in a payload; raise DecodeError if it is not a request."""
        request: Request = loads(payload, Request)
        return request

    def serve(self, client: Client, request: Request) -> None:
        match request:
            case Join(name):
                self.on_join(client, name)
            case Say(text):
                self.on_say(client, text)

    # Members

    def on_join(self, client: Client, name: str) -> None:
        if client in self.names:
            self.refuse(client, f"you are in the room already, as {self.names[client]}")
        elif self.is_taken(name):
            self.refuse(client, f"the name {name} is taken")
        elif not self.fits(Welcome(self.member_names())):
            self.refuse(client, "the room is full")
        else:
            self.admit(client, name)

    def is_taken(self, name: str) -> bool:
        return name in self.names.values()

    def member_names(self) -> list[str]:
        """Return the names to list in Welcome."""
        return list(self.names.values())

    def admit(self, client: Client, name: str) -> None:
        self.answer(client, Welcome(self.member_names()))
        self.names[client] = name
        self.broadcast(Joined(name), exclude=client)

    def on_say(self, client: Client, text: str) -> None:
        if client in self.names:
            self.broadcast(Said(self.names[client], text))
        else:
            self.refuse(client, "first join the room")

    def refuse(self, client: Client, reason: str) -> None:
        self.answer(client, Refused(reason))

    def disconnect(self, client: Client) -> None:
        if self.is_connected(client):
            super().disconnect(client)
            self.forget(client)

    def forget(self, client: Client) -> None:
        """Free the name of a client that has left, and notify the room."""
        if (name := self.names.pop(client, None)) is not None:
            self.broadcast(Left(name))

    # Output

    def broadcast(self, reply: Reply, exclude: Client | None = None) -> None:
        """Send a reply to the whole room; replies that this causes, such as Left, are sent after it."""
        self.outgoing.append((reply, exclude))
        if not self.broadcasting:
            self.broadcasting = True
            while self.outgoing:
                self.broadcast_now(*self.outgoing.popleft())
            self.broadcasting = False

    def broadcast_now(self, reply: Reply, exclude: Client | None) -> None:
        data = self.encode_frame(reply)
        for client in tuple(self.recipients(reply)):
            if client is not exclude:
                (self.enqueue if isinstance(reply, Said) else self.enqueue_reliably)(client, data)

    def recipients(self, reply: Reply) -> Iterable[Client]:
        return self.names

    def answer(self, client: Client, reply: Reply) -> None:
        """Send a reply to one client."""
        self.enqueue_reliably(client, self.encode_frame(reply))

    def enqueue_reliably(self, client: Client, data: bytes) -> None:
        """Append a reply that must not be dropped; disconnect the client if its backlog has no room for it."""
        if client.backlog_bytes + len(data) > MAX_BACKLOG_BYTES:
            self.flush(client)
        if client.backlog_bytes + len(data) > MAX_BACKLOG_BYTES:
            self.disconnect(client)
        else:
            self.append(client, data)

    def fits(self, reply: Reply) -> bool:
        return len(dumps(reply, Reply)) <= MAX_PAYLOAD

    def encode_frame(self, reply: Reply) -> bytes:
        payload = dumps(reply, Reply)
        return len(payload).to_bytes(HEADER, "big") + payload


class Batching(Server):
    """A server that collects replies to the room and sends them `batch_s` after the first of them."""

    batch_s = 0.002

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.pending: list[tuple[Reply, Client | None]] = []

    def broadcast(self, reply: Reply, exclude: Client | None = None) -> None:
        if not self.pending:
            self.call_later(self.batch_s, self.forward_pending)
        self.pending.append((reply, exclude))

    def forward_pending(self) -> None:
        pending, self.pending = self.pending, []
        self.release(pending)

    def release(self, pending: list[tuple[Reply, Client | None]]) -> None:
        """Send the collected replies."""
        for reply, exclude in pending:
            super().broadcast(reply, exclude)


if __name__ == "__main__":
    main(Server)
