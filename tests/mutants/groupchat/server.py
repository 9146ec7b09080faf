#!/usr/bin/env python3
"""A small correct server of groupchat, made to be broken: a mutant overrides a method or two.

What is of no protocol, as the start, the turns of the selector and the backlogs, it has from broadcast's. Whoever
does not read loses what is said, while 256 KiB wait for it, and its connection when notices make it a mebibyte.
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

__all__ = ["PAUSE_S", "Client", "Server", "Ticking", "main"]

HEADER = 2
MAX_PAYLOAD = 0xFFFF
NOTICE_BYTES = 1024 * 1024  # that may wait for a client, what is said among them


class Server(Connections):
    """The room. Every method is a hook.

    Attributes:
        names: of those who have joined, in the order of joining.
        untold: what is to be told to everybody next, and whom to leave out.
    """

    one_by_one = True

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.names: dict[Client, str] = {}
        self.untold: deque[tuple[Reply, Client | None]] = deque()
        self.telling = False

    # What comes in

    def end_of_whole(self, data: bytes | bytearray) -> int:
        end = 0
        while end + HEADER <= len(data):
            size = HEADER + self.length(data, end)
            if end + size > len(data):
                break
            end += size
        return end

    def length(self, data: bytes | bytearray, start: int) -> int:
        """Return the length of the payload of the frame that begins there."""
        return int.from_bytes(data[start : start + HEADER], "big")

    def messages(self, whole: bytes) -> list[bytes]:
        """Return the payloads of whole frames."""
        found, start = [], 0
        while start < len(whole):
            end = start + HEADER + self.length(whole, start)
            found.append(whole[start + HEADER : end])
            start = end
        return found

    def on_message(self, client: Client, message: bytes) -> None:
        if self.is_here(client):
            try:
                request = self.understand(message)
            except DecodeError as error:
                self.refuse(client, error.reason)
            else:
                self.serve(client, request)

    def understand(self, payload: bytes) -> Request:
        """Return the request in a payload; raise DecodeError when it is none."""
        found: Request = loads(payload, Request)
        return found

    def serve(self, client: Client, request: Request) -> None:
        match request:
            case Join(name):
                self.on_join(client, name)
            case Say(text):
                self.on_say(client, text)

    # Who is in the room

    def on_join(self, client: Client, name: str) -> None:
        if client in self.names:
            self.refuse(client, f"you are in the room already, as {self.names[client]}")
        elif self.is_taken(name):
            self.refuse(client, f"the name {name} is taken")
        elif not self.fits(Welcome(self.present())):
            self.refuse(client, "the room is full")
        else:
            self.admit(client, name)

    def is_taken(self, name: str) -> bool:
        return name in self.names.values()

    def present(self) -> list[str]:
        """Return the names for Welcome."""
        return list(self.names.values())

    def admit(self, client: Client, name: str) -> None:
        self.answer(client, Welcome(self.present()))
        self.names[client] = name
        self.tell(Joined(name), but=client)

    def on_say(self, client: Client, text: str) -> None:
        if client in self.names:
            self.tell(Said(self.names[client], text))
        else:
            self.refuse(client, "first join the room")

    def refuse(self, client: Client, reason: str) -> None:
        self.answer(client, Refused(reason))

    def leave(self, client: Client) -> None:
        if self.is_here(client):
            super().leave(client)
            self.forget(client)

    def forget(self, client: Client) -> None:
        """Free the name of a client that has left, and tell it."""
        if (name := self.names.pop(client, None)) is not None:
            self.tell(Left(name))

    # What goes out

    def tell(self, reply: Reply, but: Client | None = None) -> None:
        """Tell something to everybody in the room; what comes of that, as somebody's leaving, is told after it."""
        self.untold.append((reply, but))
        if not self.telling:
            self.telling = True
            while self.untold:
                self.tell_now(*self.untold.popleft())
            self.telling = False

    def tell_now(self, reply: Reply, but: Client | None) -> None:
        data = self.frame(reply)
        for client in tuple(self.hearers(reply)):
            if client is not but:
                (self.enqueue if isinstance(reply, Said) else self.enqueue_surely)(client, data)

    def hearers(self, reply: Reply) -> Iterable[Client]:
        return self.names

    def answer(self, client: Client, reply: Reply) -> None:
        """Tell something to one client."""
        self.enqueue_surely(client, self.frame(reply))

    def enqueue_surely(self, client: Client, data: bytes) -> None:
        """Put what must not be dropped at the end of a backlog; a client that has no room for it is cut off."""
        if client.size + len(data) > NOTICE_BYTES:
            self.flush(client)
        if client.size + len(data) > NOTICE_BYTES:
            self.leave(client)
        else:
            self.append(client, data)

    def fits(self, reply: Reply) -> bool:
        return len(dumps(reply, Reply)) <= MAX_PAYLOAD

    def frame(self, reply: Reply) -> bytes:
        payload = dumps(reply, Reply)
        return len(payload).to_bytes(HEADER, "big") + payload


class Ticking(Server):
    """A server that collects what it tells the room, and tells it `tick_s` after the first of it."""

    tick_s = 0.002

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.collected: list[tuple[Reply, Client | None]] = []

    def tell(self, reply: Reply, but: Client | None = None) -> None:
        if not self.collected:
            self.later(self.tick_s, self.tick)
        self.collected.append((reply, but))

    def tick(self) -> None:
        collected, self.collected = self.collected, []
        self.release(collected)

    def release(self, collected: list[tuple[Reply, Client | None]]) -> None:
        """Tell what was collected."""
        for reply, but in collected:
            super().tell(reply, but)


if __name__ == "__main__":
    main(Server)
