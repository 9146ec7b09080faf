"""serdy with a million hostile byte strings, and its speed compared with msgspec and pickle.

    python -m benchmarks.serdy              1,000,000 strings, then the comparison: some three minutes
    python -m benchmarks.serdy --quick      to see that it works

Strings are random bytes, bytes that are likely in an encoding, and encodings with some bytes changed; each must be
refused with DecodeError, or decode to a value that encodes to the same bytes.

Contestants are processes that take turns in short slices (see `benchmarks/interleaved.py`), and a slice is measured in
processor time. msgspec and pickle are written in C, serdy in Python, to be read; and pickle must never get hostile
bytes.
"""

from __future__ import annotations

import argparse
import pickle
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
import msgspec

from benchmarks.interleaved import Alternative, Size, add_size, measure, module, print_ratios, serve, size_of
from benchmarks.programs import describe_machine
from spec.groupchat.serdy import JSON, DecodeError, dumps, loads
from tests.serdy_types import EXAMPLE, Everything

STRINGS, QUICK_STRINGS = 1_000_000, 10_000
FULL, QUICK = Size(blocks=12, rounds=16), Size(blocks=6, rounds=4)
SLICE_NS = 20_000_000  # of processor time, at least
DUMPS, LOADS = "dumps", "loads"


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


class Contestant:
    """A contestant in a process of its own, which encodes and decodes a room as often as fills a slice."""

    def __init__(self, name: str) -> None:
        value = room(random.Random(1))
        encode, decode = contestants()[name]
        data = encode(value)
        assert decode(data) == value
        self._functions = {DUMPS: partial(encode, value), LOADS: partial(decode, data)}
        self._calls = dict.fromkeys(self._functions, 1)

    def slice(self, kind: str) -> dict[str, float]:
        """Return the calls per second of processor time."""
        function = self._functions[kind]
        while True:
            calls = self._calls[kind]
            began = time.process_time_ns()
            for _ in range(calls):
                function()
            taken_ns = time.process_time_ns() - began
            if taken_ns >= SLICE_NS:
                return {kind: calls / taken_ns * 1e9}
            self._calls[kind] = 2 * calls  # also for the next slices


def compare(size: Size) -> None:
    """Measure and print the tables."""
    value, names = room(random.Random(1)), list(contestants())
    alternatives = [
        Alternative(name, (DUMPS, LOADS), partial(module, "benchmarks.serdy", "--contestant", name)) for name in names
    ]
    table = anyio.run(measure, alternatives, size.blocks, size.rounds)
    sizes = ", ".join(f"{name} {len(encode(value)):,}" for name, (encode, _) in contestants().items())
    print(f"\nBytes of a room: {sizes}. Calls per second of processor time:\n")
    print_ratios(table, names, dict.fromkeys((DUMPS, LOADS), ("/s", 1.0)))
    print(f"\n{size.describe(describe_machine())}")


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
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strings", type=int, help=f"how many byte strings; by default {STRINGS:,}")
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    add_size(parser)
    options = parser.parse_args(arguments)
    if options.contestant:
        serve(Contestant(options.contestant).slice)
        return
    print(hostile(options.strings or (QUICK_STRINGS if options.quick else STRINGS)))
    compare(size_of(options, FULL, QUICK))


if __name__ == "__main__":
    main(sys.argv[1:])
