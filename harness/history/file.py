"""Histories in files of JSON lines: {"client": 0, "event": "send"|"receive", "message": "0.3"}.

Lines of one client stand in its own order; lines of different clients may be mixed in any way, so that a message
may be received some lines before it is sent. A line may also tell "at" (seconds since the history began) and
"offset" (bytes, of the message in that client's stream of that direction), for the explanations.

Files are read in pieces, each line being forgotten when its event has been noted: eight bytes an event remain.
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
from harness.history.record import History, sent
from harness.processes.output import shortened

PIECE_BYTES = 1 << 20
UNKNOWN = -1
EXPECTED = 'expected {"client": 0, "event": "send" or "receive", "message": "0.3"}'


class Line(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One event."""

    client: Annotated[int, msgspec.Meta(ge=0)]
    event: Literal["send", "receive"]
    message: str
    at: Annotated[float, msgspec.Meta(ge=0, le=1e9)] | None = None
    offset: Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)] | None = None


class Stream:
    """The events of one client, and where they were seen: two more lists when any line says so."""

    def __init__(self) -> None:
        self.events = array("q")
        self.offsets, self.times_ns = array("q"), array("q")

    def note(self, line: Line) -> None:
        """Note where the latest event was seen."""
        at_ns = None if line.at is None else round(line.at * 1e9)
        for places, value in ((self.offsets, line.offset), (self.times_ns, at_ns)):
            places.extend(itertools.repeat(UNKNOWN, len(self.events) - 1 - len(places)))
            places.append(UNKNOWN if value is None else value)

    def where(self, event: int) -> tuple[int | None, int | None]:
        """Return the offset and the time of an event, None for what no line told."""
        known = [places[event] if event < len(places) else UNKNOWN for places in (self.offsets, self.times_ns)]
        offset, at_ns = (None if value == UNKNOWN else value for value in known)
        return offset, at_ns


def read(source: Path | BinaryIO) -> History:
    """Return the history in a file, or in what is read from an open one.

    Raises:
        UsageError: the file cannot be read, or a line is no event, with its number.
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
    while piece := file.read(PIECE_BYTES):
        whole, end, rest = (rest + piece).rpartition(b"\n")
        if not end and len(rest) > PIECE_BYTES:
            raise UsageError(f"{name}, line {count + 1} is longer than {PIECE_BYTES:,} bytes: this is no history")
        try:
            lines = decoder.decode_lines(whole)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            _complain(whole.split(b"\n"), count, decoder, name)
            raise
        yield from lines
        count += whole.count(b"\n") + len(end)
    if rest.strip():
        _complain([rest], count, decoder, name)
        yield decoder.decode(rest)


def _complain(texts: Iterable[bytes], count: int, decoder: msgspec.json.Decoder[Line], name: str) -> None:
    """Raise the error of the first line that is no event, if there is one."""
    for number, text in enumerate(texts, count + 1):
        if text.strip():
            try:
                decoder.decode(text)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                shown = shortened(ascii(text.decode("utf-8", "replace"))[1:-1], 60)
                raise UsageError(f"{name}, line {number}: {error}; {EXPECTED}, read {shown}") from None


def _history(lines: Iterable[Line]) -> History:
    numbers: dict[str, int] = {}
    senders = array("q")
    times = array("q")
    streams: dict[int, Stream] = {}
    for line in lines:
        number = numbers.get(line.message)
        if number is None:
            number = numbers[line.message] = len(numbers)
            senders.append(UNKNOWN)
            times.append(0)
        stream = streams.get(line.client)
        if stream is None:
            stream = streams[line.client] = Stream()
        if line.event == "send":
            times[number] += 1
            senders[number] = line.client
            number = sent(number)
        stream.events.append(number)
        if line.at is not None or line.offset is not None:
            stream.note(line)
    clients = sorted(streams)
    return History(
        events=[np.frombuffer(streams[client].events, np.int64) for client in clients],
        clients=clients,
        senders=senders,
        times_sent=times,
        names=list(numbers),
        where=lambda place, event: streams[clients[place]].where(event),
    )


def write(path: Path, history: History) -> None:
    """Write a history into a file, client by client; what happened to a message stays, its number does not.

    Messages of one name get their numbers behind it, so that they remain different messages.
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
                event, name = ("receive", quoted[number]) if number >= 0 else ("send", quoted[sent(number)])
                file.write(f'{start}"{event}","message":{name}}}\n')
