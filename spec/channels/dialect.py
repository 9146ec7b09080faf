"""How people speak channels in a terminal."""

from __future__ import annotations

import json
from dataclasses import dataclass

from harness.codec import Frame
from spec.channels.wire import MAX_LINE, Error, Request, Send, Subscribe, Subscribed, content_of, encode_value

HELP = """\
subscribe CHANNEL        hear what is sent to a channel
send CHANNEL MESSAGE     send a message, the rest of the line, to a channel
A channel with blanks stands in quotes, as in JSON: send "two words" hello"""


@dataclass(frozen=True)
class ChannelsDialect:
    """Lines that people type, and what they are shown."""

    help: str = HELP
    commands: tuple[str, ...] = ("subscribe", "send")

    def greeting(self, name: str) -> bytes:
        return b""

    def request(self, line: str) -> bytes:
        word, _, rest = line.strip().partition(" ")
        match word.lower():
            case "subscribe":
                channel, after = _name(rest)
                if after:
                    raise ValueError("a channel with blanks stands in quotes; this was: subscribe CHANNEL")
                return _line(Subscribe(channel))
            case "send":
                channel, message = _name(rest)
                return _line(Send(channel, message))
        raise ValueError(f'"{word}" is neither subscribe nor send; /help tells more')

    def show(self, frame: Frame) -> str:
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
    """Return the name of a channel that a text begins with, and the rest behind the blank; raise ValueError."""
    text = text.lstrip()
    if not text.startswith('"'):
        name, _, rest = text.partition(" ")
        if not name:
            raise ValueError('which channel? The one without a name is written ""')
        return name, rest
    try:
        name, end = json.JSONDecoder().raw_decode(text)
    except ValueError:
        raise ValueError("the name of the channel begins with a quote and does not end with one") from None
    return str(name), text[end:].removeprefix(" ")


def _line(request: Request) -> bytes:
    line = encode_value(request)
    if len(line) > MAX_LINE:
        raise ValueError(f"that is {len(line):,} bytes; a server takes {MAX_LINE:,} at a time")
    return line


def escape_control(text: str) -> str:
    """Return a text in which nothing steers the terminal: line breaks and control characters are escaped."""
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)


DIALECT = ChannelsDialect()
