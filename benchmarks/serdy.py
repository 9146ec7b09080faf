"""serdy with a million hostile byte strings, and its speed compared with msgspec and pickle.

    python -m benchmarks.serdy                  1,000,000 strings, then 30 rounds of every contestant
    python -m benchmarks.serdy 10000 5          10,000 strings, 5 rounds

Strings are random bytes, bytes that are likely in an encoding, and encodings with some bytes changed; each must be
refused with DecodeError, or decode to a value that encodes to the same bytes. Contestants take turns, so that a busy
moment of the machine affects all of them; a ratio is that of two times in one round, shown as median, lowest and
highest. msgspec and pickle are written in C, serdy in Python, to be read; and pickle must never get hostile bytes.
"""

from __future__ import annotations

import pickle
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from spec.groupchat.serdy import JSON, DecodeError, dumps, loads
from tests.serdy_types import EXAMPLE, Everything

STRINGS = 1_000_000
ROUNDS = 30
CALLS = 20  # of each function in a round


@dataclass
class Member:
    name: str
    id: int
    away: bool


@dataclass
class Message:
    number: int
    sender: int
    text: str
    answers: int | None


@dataclass
class Room:
    name: str
    members: list[Member]
    messages: list[Message]
    seen: dict[str, int]


def room(chance: random.Random) -> Room:
    """Return a room of 20 members and 50 messages."""
    members = [Member(f"member {number}", chance.randrange(1 << 40), chance.random() < 0.5) for number in range(20)]
    messages = [
        Message(
            number,
            chance.choice(members).id,
            "word " * chance.randrange(20),
            chance.choice([None, chance.randrange(50)]),
        )
        for number in range(50)
    ]
    return Room("lobby", members, messages, {member.name: chance.randrange(50) for member in members})


def contestants() -> dict[str, tuple[Callable[[Any], bytes], Callable[[bytes], Any]]]:
    return {
        "serdy binary": (lambda value: dumps(value, Room), lambda data: loads(data, Room)),
        "serdy JSON": (lambda value: dumps(value, Room, JSON), lambda data: loads(data, Room, JSON)),
        "msgspec msgpack": (msgspec.msgpack.encode, msgspec.msgpack.Decoder(Room).decode),
        "msgspec JSON": (msgspec.json.encode, msgspec.json.Decoder(Room).decode),
        "pickle": (pickle.dumps, pickle.loads),
    }


def microseconds(function: Callable[[Any], object], argument: object) -> float:
    """Return the processor time of a call, as the mean of several."""
    began = time.process_time_ns()
    for _ in range(CALLS):
        function(argument)
    return (time.process_time_ns() - began) / CALLS / 1000


def speed(rounds: int) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    value = room(random.Random(1))
    encoded = {name: encode(value) for name, (encode, _) in contestants().items()}
    times: dict[tuple[str, int], list[float]] = {(name, way): [] for name in encoded for way in (0, 1)}
    for _ in range(rounds):
        for name, (encode, decode) in contestants().items():
            assert decode(encoded[name]) == value
            times[name, 0].append(microseconds(encode, value))
            times[name, 1].append(microseconds(decode, encoded[name]))
    yield "| | bytes | dumps µs | speed ÷ serdy binary's | loads µs | speed ÷ serdy binary's |"
    yield "|---|---|---|---|---|---|"
    for name, data in encoded.items():
        cells = [name, f"{len(data):,}"]
        for way in (0, 1):
            own, ours = times[name, way], times["serdy binary", way]
            ratios = [mine / theirs for mine, theirs in zip(ours, own, strict=True)]
            cells.append(f"{statistics.median(own):.0f}")
            cells.append(f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})")
        yield f"| {' | '.join(cells)} |"


def hostile(strings: int) -> str:
    """Decode so many byte strings; return the counts in words; raise what is neither a value nor DecodeError."""
    chance = random.Random(2)
    example = dumps(EXAMPLE, Everything)
    values, began = 0, time.process_time()
    for number in range(strings):
        match number % 3:
            case 0:
                data = chance.randbytes(chance.randrange(100))
            case 1:
                data = bytes(chance.choices((0, 1, 2, 3, 97, 127, 128, 255), k=chance.randrange(100)))
            case 2:
                changed = bytearray(example)
                for _ in range(chance.randrange(1, 4)):
                    changed[chance.randrange(len(changed))] = chance.randrange(256)
                data = bytes(changed)
        try:
            value = loads(data, Everything)
        except DecodeError:
            continue
        values += 1
        if dumps(value, Everything) != data:
            raise AssertionError(f"{data.hex()} is not the encoding of the value that it decodes to")
    seconds = time.process_time() - began
    return f"{strings:,} byte strings: {values:,} values, all others refused; {seconds:.1f} s of processor time"


def main(arguments: Sequence[str]) -> None:
    strings, rounds = (int(number) for number in (*arguments, *(str(STRINGS), str(ROUNDS))[len(arguments) :]))
    print(hostile(strings))
    for line in speed(rounds):
        print(line)


if __name__ == "__main__":
    main(sys.argv[1:])
