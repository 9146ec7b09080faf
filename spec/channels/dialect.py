"""Channels in a terminal: commands to subscribe and to send."""

from __future__ import annotations

import json
from dataclasses import dataclass

from harness.codec import Frame
from spec.channels.wire import MAX_LINE, Error, Request, Send, Subscribe, Subscribed, content_of, encode_value

HELP = """\
subscribe CHANNEL        receive the messages of a channel
send CHANNEL MESSAGE     send the rest of the line to a channel
Put a channel name with blanks in quotes, as in JSON: send "two words" hello"""


@dataclass(frozen=True)
class ChannelsDialect:
    """Turns typed commands into requests, and replies into text."""

    help: str = HELP
    commands: tuple[str, ...] = ("subscribe", "send")

    def greeting(self, name: str) -> bytes:
        """Return b"": connecting requires no request."""
        return b""

    def request(self, line: str) -> bytes:
        """Return the request for a typed command; raise ValueError when it is not a valid command."""
        word, _, rest = line.strip().partition(" ")
        match word.lower():
            case "subscribe":
                channel, after = _name(rest)
                if after:
                    raise ValueError("put a channel name with blanks in quotes; usage: subscribe CHANNEL")
                return _line(Subscribe(channel))
            case "send":
                channel, message = _name(rest)
                return _line(Send(channel, message))
        raise ValueError(f'"{word}" is neither subscribe nor send; see /help')

    def show(self, frame: Frame) -> str:
        """Return a reply as text, with control characters escaped."""
        if frame.body is not None:
            channel, message = content_of(frame.body)
            return f"{escape_control(channel)}: {escape_control(message)}"
        match frame.value:
            case Subscribed(channel):
                return f"subscribed to {escape_control(channel)}"
            case Error(words):
                return f"error: {escape_control(words)}"
        return ""


def _name(text: str) -> tuple[str, str]:
    """Split a text into the channel name at its start and the rest after the blank; raise ValueError if it has none."""
    text = text.lstrip()
    if not text.startswith('"'):
        name, _, rest = text.partition(" ")
        if not name:
            raise ValueError('which channel? The channel with the empty name is written ""')
        return name, rest
    try:
        name, end = json.JSONDecoder().raw_decode(text)
    except ValueError:
        raise ValueError("the name of the channel begins with a quote but does not end with one") from None
    return str(name), text[end:].removeprefix(" ")


def _line(request: Request) -> bytes:
    line = encode_value(request)
    if len(line) > MAX_LINE:
        raise ValueError(f"too long: a line has at most {MAX_LINE:,} bytes, this one has {len(line):,}")
    return line


def escape_control(text: str) -> str:
    """Return a text with its line breaks and control characters escaped, so that it is safe in a terminal."""
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


DIALECT = ChannelsDialect()
