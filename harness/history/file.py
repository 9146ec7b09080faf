"""Histories in files of JSON lines: {"client": 0, "event": "send"|"receive", "message": "0.3"}.

The lines of one client are in its own order; lines of different clients may be mixed in any way, so a message may be
received some lines before it is sent. For explanations a line may also have "at" (seconds since the history began) and
"offset" (of the message in that client's stream of that direction, in bytes).

Files are read in blocks, and of each line only the event is kept: eight bytes.
"""

from __future__ import annotations

import itertools
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

import msgspec
import numpy as np

from harness.errors import UsageError
from harness.history.record import History, send_event
from harness.processes.output import shorten

BLOCK_BYTES = 1 << 20  # also the length of the longest line
JSON_BLANKS = b" \t\r"  # what JSON takes for blank, within a line; bytes.strip() takes more
UNKNOWN = -1
EXPECTED = 'expected {"client": 0, "event": "send" or "receive", "message": "0.3"}'


class Line(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One event."""

    client: Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]
    event: Literal["send", "receive"]
    message: str
    at: Annotated[float, msgspec.Meta(ge=0, le=1e9)] | None = None
    offset: Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)] | None = None


class Stream:
    """The events of one client, with their offsets and times if any line has them."""

    def __init__(self) -> None:
        self.events = array("q")
        self.offsets, self.times_ns = array("q"), array("q")

    def add_location(self, line: Line) -> None:
        """Record the offset and the time of the latest event."""
        at_ns = None if line.at is None else round(line.at * 1e9)
        for values, value in ((self.offsets, line.offset), (self.times_ns, at_ns)):
            values.extend(itertools.repeat(UNKNOWN, len(self.events) - 1 - len(values)))
            values.append(UNKNOWN if value is None else value)

    def locate(self, event: int) -> tuple[int | None, int | None]:
        """Return the offset and the time of an event, None where its line has none."""
        recorded = [values[event] if event < len(values) else UNKNOWN for values in (self.offsets, self.times_ns)]
        offset, at_ns = (None if value == UNKNOWN else value for value in recorded)
        return offset, at_ns


def read(source: Path | BinaryIO) -> History:
    """Return the history in a file, given by its path or already open.

    Raises:
        UsageError: the file cannot be read, or a line is not an event (the message has its number).
    """
    if not isinstance(source, Path):
        return _history(_lines(source, "standard input"))
    try:
        with source.open("rb") as file:
            return _history(_lines(file, str(source)))
    except OSError as error:
        raise UsageError(f"{source} cannot be read: {error.strerror}") from None


def _lines(file: BinaryIO, name: str) -> Iterator[Line]:
    decoder = msgspec.json.Decoder(Line)
    count, rest = 0, b""
    while block := file.read(BLOCK_BYTES):
        *texts, rest = (rest + block).split(b"\n")
        yield from _decoded(texts, count, decoder, name)
        count += len(texts)
        if len(rest) > BLOCK_BYTES:
            raise _too_long(name, count + 1)
    yield from _decoded([rest], count, decoder, name)


def _decoded(texts: list[bytes], count: int, decoder: msgspec.json.Decoder[Line], name: str) -> list[Line]:
    """Return the events of some lines.

    Each line is decoded alone: `decode_lines` of msgspec takes any objects with blanks between them for lines.

    Args:
        texts: the lines.
        count: how many lines came before them.
        decoder: decodes a line.
        name: what the file is called.

    Raises:
        UsageError: a line is not an event.
    """
    if max(map(len, texts), default=0) <= BLOCK_BYTES:
        try:
            return list(map(decoder.decode, filter(None, texts)))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            pass  # a line is no event, or has blanks only: one by one, it shows which
    lines = []
    for number, text in enumerate(texts, count + 1):
        if len(text) > BLOCK_BYTES:
            raise _too_long(name, number)
        if text.strip(JSON_BLANKS):
            try:
                lines.append(decoder.decode(text))
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                excerpt = shorten(ascii(text.decode("utf-8", "replace"))[1:-1], 60)
                raise UsageError(f"{name}, line {number}: {error}; {EXPECTED}, read {excerpt}") from None
    return lines


def _too_long(name: str, number: int) -> UsageError:
    return UsageError(f"{name}, line {number} is longer than {BLOCK_BYTES:,} bytes: this is not a history")


def _history(lines: Iterable[Line]) -> History:
    numbers: dict[str, int] = {}
    senders = array("q")
    send_counts = array("q")
    streams: dict[int, Stream] = {}
    for line in lines:
        number = numbers.get(line.message)
        if number is None:
            number = numbers[line.message] = len(numbers)
            senders.append(UNKNOWN)
            send_counts.append(0)
        stream = streams.get(line.client)
        if stream is None:
            stream = streams[line.client] = Stream()
        if line.event == "send":
            send_counts[number] += 1
            senders[number] = line.client
            number = send_event(number)
        stream.events.append(number)
        if line.at is not None or line.offset is not None:
            stream.add_location(line)
    clients = sorted(streams)
    return History(
        events=[np.frombuffer(streams[client].events, np.int64) for client in clients],
        clients=clients,
        senders=senders,
        send_counts=send_counts,
        names=list(numbers),
        locate=lambda client_index, event: streams[clients[client_index]].locate(event),
    )


def write(path: Path, history: History) -> None:
    """Write a history to a file, client by client; the numbers of the messages are not kept.

    Messages that share a name get their numbers appended to it, so that they remain different messages.
    """
    counts = Counter(history.names)
    quoted = [
        msgspec.json.encode(name if counts[name] == 1 else f"{name} #{number}").decode()
        for number, name in enumerate(history.names)
    ]
    with path.open("w", encoding="utf-8") as file:
        for client, events in zip(history.clients, history.events, strict=True):
            start = f'{{"client":{client},"event":'
            for number in np.asarray(events).tolist():
                event, name = ("receive", quoted[number]) if number >= 0 else ("send", quoted[send_event(number)])
                file.write(f'{start}"{event}","message":{name}}}\n')
