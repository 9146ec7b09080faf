#!/usr/bin/env python3
"""A small correct server of channels, made to be broken: a mutant overrides a method or two.

It is the server of broadcast, whose connections, turns and backlogs are the same, with lines instead of frames and
lists of subscribers instead of one room. Replies are never dropped: who lets too many of them wait is not read.
"""

from __future__ import annotations

import importlib.util
import json
import runpy
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

BROADCAST = Path(__file__).resolve().parents[1] / "broadcast"
if TYPE_CHECKING:
    from tests.mutants.broadcast import server as broadcast
else:  # not by its name, which is this one's as well
    found = importlib.util.spec_from_file_location("broadcast", BROADCAST / "server.py")
    broadcast = importlib.util.module_from_spec(found)
    found.loader.exec_module(broadcast)

Client = broadcast.Client
main = broadcast.main

MAX_LINE = 65536
BACKLOG_BYTES = 256 * 1024
OWED_BYTES = 64 * 1024  # of backlog with which a client is read


class Line(bytes):
    """A message as it is sent to the subscribers of its channel."""

    channel = ""


class Refused(Exception):
    """A request that cannot be served; in words for who made it."""


class Server(broadcast.Server):
    """The channels. Every method is a hook."""

    one_by_one = True
    max_line = MAX_LINE

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.channels: dict[str, dict[Client, None]] = {}  # their subscribers, in the order of subscribing
        self.heard: dict[Client, set[str]] = {}
        self.channel = ""  # in which something is being said
        self.skipping: set[Client] = set()  # who is in the middle of a line that is too long

    # Coming and going

    def leave(self, client: Client) -> None:
        if self.is_here(client):
            self.skipping.discard(client)
            self.unsubscribe(client)
        super().leave(client)

    def unsubscribe(self, client: Client) -> None:
        """Take a client from all lists, and forget the channels that nobody is in any more."""
        for channel in self.heard.pop(client, ()):
            self.channels[channel].pop(client, None)
            if not self.channels[channel]:
                self.forget(channel)

    def forget(self, channel: str) -> None:
        """Do what is to be done with a channel whose last subscriber has left."""
        del self.channels[channel]

    # What comes in

    def on_bytes(self, client: Client, data: bytes) -> None:
        client.inbox += data
        while self.is_here(client) and (end := client.inbox.find(b"\n") + 1):
            line = bytes(client.inbox[:end])
            del client.inbox[:end]
            self.on_whole(client, line)
        if len(client.inbox) >= self.max_line:
            self.on_endless(client)

    def on_whole(self, client: Client, line: bytes) -> None:
        """Do what is to be done with a whole line, or with the end of one that was too long."""
        if client in self.skipping:
            self.skipping.discard(client)
        elif len(line) > self.max_line:
            self.on_too_long(client)
        else:
            self.on_message(client, line)

    def on_endless(self, client: Client) -> None:
        """Do what is to be done when an unfinished line is too long already: tell it once, and forget what there is."""
        client.inbox.clear()
        if client not in self.skipping:
            self.skipping.add(client)
            self.on_too_long(client)

    def on_too_long(self, client: Client) -> None:
        self.reply(client, {"Error": f"a line has at most {self.max_line} bytes"})

    def on_message(self, client: Client, message: bytes) -> None:
        try:
            self.serve(client, self.understand(message))
        except Refused as error:
            self.on_refused(client, error)

    def on_refused(self, client: Client, error: Refused) -> None:
        self.reply(client, {"Error": str(error)})

    def understand(self, line: bytes) -> tuple[str, str, str]:
        """Return what is asked for, the channel and the message of a request; raise Refused."""
        try:
            value = self.parse_line(line)
        except (ValueError, RecursionError) as error:
            raise Refused(f"no request: {error}") from None
        match value:
            case {"Subscribe": str(channel), **others} if not others:
                return "Subscribe", self.checked(channel), ""
            case {"Send": {"channel": str(channel), "message": str(message)}, **others} if not others:
                return "Send", self.checked(channel), self.checked(message)
        raise Refused("no request: neither Subscribe nor Send")

    def parse_line(self, line: bytes) -> Any:
        """Return the value on a line; raise ValueError or RecursionError."""
        return json.loads(line.decode())

    def checked(self, text: str) -> str:
        """Return a string that can be written in UTF-8; raise Refused when it has a lone surrogate."""
        try:
            text.encode()
        except UnicodeError:
            raise Refused("no request: a lone surrogate is no character") from None
        return text

    def serve(self, client: Client, request: tuple[str, str, str]) -> None:
        kind, channel, message = request
        if kind == "Subscribe":
            self.on_subscribe(client, channel)
        else:
            self.on_send(client, channel, message)

    def on_subscribe(self, client: Client, channel: str) -> None:
        self.reply(client, {"Subscribed": channel})
        self.subscribe(client, channel)

    def subscribe(self, client: Client, channel: str) -> None:
        self.channels.setdefault(channel, {})[client] = None
        self.heard.setdefault(client, set()).add(channel)

    def on_send(self, client: Client, channel: str, message: str) -> None:
        if channel not in self.channels:
            raise Refused(f"no such channel: {channel}")
        self.publish(client, channel, message)

    # What goes out

    def publish(self, sender: Client, channel: str, message: str) -> None:
        """Give a message to all who have subscribed to its channel."""
        line = Line(self.line({"Message": {"channel": channel, "message": message}}))
        line.channel = self.channel = channel
        self.fan_out(sender, line)

    def fan_out(self, sender: Client, message: bytes) -> None:
        assert isinstance(message, Line)
        self.channel = message.channel
        super().fan_out(sender, message)

    def receivers(self, sender: Client) -> Iterable[Client]:
        """Return who hears what is being said in `channel`."""
        return tuple(self.channels.get(self.channel, ()))

    def line(self, value: Any) -> bytes:
        """Return a reply as its line."""
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    def reply(self, client: Client, value: Any) -> None:
        """Answer a client, whether it has room or not."""
        if self.is_here(client):
            self.append(client, self.line(value))

    def is_full(self, client: Client, message: bytes) -> bool:
        return client.size + len(message) > BACKLOG_BYTES

    def watch(self, client: Client) -> None:
        client.reading = client.size <= OWED_BYTES
        super().watch(client)


class Ticking(Server):
    """A server that collects messages and forwards them `tick_s` after the first of them."""

    tick_s = 0.002

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.collected: list[tuple[Client, bytes]] = []

    def fan_out(self, sender: Client, message: bytes) -> None:
        if not self.collected:
            self.later(self.tick_s, self.tick)
        self.collected.append((sender, message))

    def tick(self) -> None:
        collected, self.collected = self.collected, []
        self.release(collected)

    def release(self, collected: list[tuple[Client, bytes]]) -> None:
        """Forward what was collected."""
        for sender, message in collected:
            super().fan_out(sender, message)


def borrow(name: str) -> None:
    """Be a mutant or an oddball of broadcast, but of channels: its file is run over the server of this one."""
    runpy.run_path(str(next(BROADCAST.glob(f"*/{name}.py"))), run_name="__main__")


if __name__ == "__main__":
    main(Server)
