#!/usr/bin/env python3
"""A small correct channels server whose methods the mutants override, one or two each.

It extends the broadcast server, with which it shares connections, the loop and backlogs; it has lines instead of
frames, and lists of subscribers instead of one room. Replies are never dropped: a client is not read from while too
much is queued for it.
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
else:  # `import server` would find this file
    module_spec = importlib.util.spec_from_file_location("broadcast", BROADCAST / "server.py")
    broadcast = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(broadcast)

Client = broadcast.Client
main = broadcast.main

MAX_LINE = 65536
BACKLOG_BYTES = 256 * 1024
READ_BACKLOG_BYTES = 64 * 1024  # a client with a larger backlog is not read from,
UNREAD_S = 30.0  # and is disconnected if that lasts so long


class Line(bytes):
    """A message as it is sent to the subscribers of its channel, whose name it carries."""

    channel = ""


class RequestError(Exception):
    """A request that cannot be served; the text is sent to its client."""


class Server(broadcast.Server):
    """The channels; every method may be overridden."""

    one_by_one = True
    max_line = MAX_LINE

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.channels: dict[str, dict[Client, None]] = {}  # subscribers, in the order of subscribing
        self.subscriptions: dict[Client, set[str]] = {}
        self.current_channel = ""  # of the message that is being forwarded
        self.skipping: set[Client] = set()  # clients in the middle of a line that is too long
        self.unread: dict[Client, object] = {}  # clients that are not read from because of their backlog

    # Connections

    def disconnect(self, client: Client) -> None:
        if self.is_connected(client):
            self.skipping.discard(client)
            self.unread.pop(client, None)
            self.unsubscribe(client)
        super().disconnect(client)

    def unsubscribe(self, client: Client) -> None:
        """Remove a client from all channels, and forget the channels that have no subscribers left."""
        for channel in self.subscriptions.pop(client, ()):
            self.channels[channel].pop(client, None)
            if not self.channels[channel]:
                self.forget(channel)

    def forget(self, channel: str) -> None:
        """Handle a channel whose last subscriber has left: remove it."""
        del self.channels[channel]

    # Input

    def on_bytes(self, client: Client, data: bytes) -> None:
        client.inbox += data
        while self.is_connected(client) and (end := client.inbox.find(b"\n") + 1):
            line = bytes(client.inbox[:end])
            del client.inbox[:end]
            self.on_line(client, line)
        if len(client.inbox) >= self.max_line:
            self.on_line_overflow(client)

    def on_line(self, client: Client, line: bytes) -> None:
        """Handle a complete line, or the end of one that was too long."""
        if client in self.skipping:
            self.skipping.discard(client)
        elif len(line) > self.max_line:
            self.on_too_long(client)
        else:
            self.on_message(client, line)

    def on_line_overflow(self, client: Client) -> None:
        """Handle an unfinished line that is too long already: report it once, and discard the input."""
        client.inbox.clear()
        if client not in self.skipping:
            self.skipping.add(client)
            self.on_too_long(client)

    def on_too_long(self, client: Client) -> None:
        self.reply(client, {"Error": f"a line has at most {self.max_line} bytes"})

    def on_message(self, client: Client, message: bytes) -> None:
        try:
            self.serve(client, self.parse_request(message))
        except RequestError as error:
            self.on_request_error(client, error)

    def on_request_error(self, client: Client, error: RequestError) -> None:
        self.reply(client, {"Error": str(error)})

    def parse_request(self, line: bytes) -> tuple[str, str, str]:
        """Return the kind, the channel and the message of a request; raise RequestError."""
        try:
            value = self.parse_line(line)
        except (ValueError, RecursionError) as error:
            raise RequestError(f"not a request: {error}") from None
        match value:
            case {"Subscribe": str(channel), **others} if not others:
                return "Subscribe", self.check_encodable(channel), ""
            case {"Send": {"channel": str(channel), "message": str(message)}, **others} if not others:
                return "Send", self.check_encodable(channel), self.check_encodable(message)
        raise RequestError("not a request: neither Subscribe nor Send")

    def parse_line(self, line: bytes) -> Any:
        """Return the value on a line; raise ValueError or RecursionError."""
        return json.loads(line.decode(), parse_constant=self.refuse)

    def refuse(self, constant: str) -> None:
        """Python takes NaN and Infinity, which are no JSON."""
        raise ValueError(f"{constant} is not JSON")

    def check_encodable(self, text: str) -> str:
        """Return a text that UTF-8 can encode; raise RequestError if it contains a lone surrogate."""
        try:
            text.encode()
        except UnicodeError:
            raise RequestError("not a request: a lone surrogate is not a character") from None
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
        self.subscriptions.setdefault(client, set()).add(channel)

    def on_send(self, client: Client, channel: str, message: str) -> None:
        if channel not in self.channels:
            raise RequestError(f"no such channel: {channel}")
        self.publish(client, channel, message)

    # Output

    def publish(self, sender: Client, channel: str, message: str) -> None:
        """Send a message to all subscribers of its channel."""
        line = Line(self.encode_line({"Message": {"channel": channel, "message": message}}))
        line.channel = self.current_channel = channel
        self.fan_out(sender, line)

    def fan_out(self, sender: Client, message: bytes) -> None:
        assert isinstance(message, Line)
        self.current_channel = message.channel
        super().fan_out(sender, message)

    def receivers(self, sender: Client) -> Iterable[Client]:
        """Return the subscribers of the current channel."""
        return tuple(self.channels.get(self.current_channel, ()))

    def encode_line(self, value: Any) -> bytes:
        """Return a reply as a line."""
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    def reply(self, client: Client, value: Any) -> None:
        """Send a reply to a client, even if its backlog is full."""
        if self.is_connected(client):
            self.append(client, self.encode_line(value))

    def is_full(self, client: Client, message: bytes) -> bool:
        return client.backlog_bytes + len(message) > BACKLOG_BYTES

    def watch(self, client: Client) -> None:
        if client.backlog_bytes > READ_BACKLOG_BYTES:
            if client not in self.unread:
                pause = self.unread[client] = object()
                self.call_later(UNREAD_S, lambda: self.give_up(client, pause))
            client.reading = False
        elif client in self.unread:  # a mutant may have other reasons not to read
            del self.unread[client]
            client.reading = True
        super().watch(client)

    def give_up(self, client: Client, pause: object) -> None:
        """Disconnect a client if it has not been read from since, because its end of the stream is not seen."""
        if self.unread.get(client) is pause:
            self.disconnect(client)


class Batching(Server):
    """A server that collects messages and forwards them `batch_s` after the first of them arrived."""

    batch_s = 0.002

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.pending: list[tuple[Client, bytes]] = []

    def fan_out(self, sender: Client, message: bytes) -> None:
        if not self.pending:
            self.call_later(self.batch_s, self.forward_pending)
        self.pending.append((sender, message))

    def forward_pending(self) -> None:
        pending, self.pending = self.pending, []
        self.release(pending)

    def release(self, pending: list[tuple[Client, bytes]]) -> None:
        """Forward the collected messages."""
        for sender, message in pending:
            super().fan_out(sender, message)


def borrow(name: str) -> None:
    """Run the broadcast server of this name in `broken/` or `conforming/`, on top of the channels server."""
    runpy.run_path(str(next(BROADCAST.glob(f"*/{name}.py"))), run_name="__main__")


if __name__ == "__main__":
    main(Server)
