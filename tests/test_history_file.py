"""Histories in files, the drawings of their faults, and the command `harness judge`."""

from __future__ import annotations

import dataclasses
import io
import json
import random
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.commands import judge_command
from harness.errors import UsageError
from harness.history import file
from harness.history.draw import as_data, draw
from harness.history.file import read, write
from harness.history.judge import decide, judge
from harness.history.record import History, send_event
from tests.histories import history, random_history
from tests.zoo import command, harness

SENT = b'{"client": 0, "event": "send", "message": "a"}'
DISAGREEMENT = ["0 send a", "1 send b", "0 receive a", "0 receive b", "1 receive b", "1 receive a"]


def lines(*events: str) -> bytes:
    """Return the lines of a file: each event is client, action, message, and perhaps offset and seconds."""
    encoded = []
    for event in events:
        client, action, message, *numbers = event.split()
        location = dict(zip(("offset", "at"), map(json.loads, numbers), strict=False))
        encoded.append(json.dumps({"client": int(client), "event": action, "message": message, **location}) + "\n")
    return "".join(encoded).encode()


def events_by_name(history: History) -> dict[int, list[tuple[bool, str]]]:
    """Return each client's events as whether it sent and the message's name, without the messages' numbers."""
    return {
        client: [(event < 0, history.names[event if event >= 0 else send_event(event)]) for event in events]
        for client, events in zip(history.clients, history.events, strict=True)
        if len(events)
    }


def test_lines_of_different_clients_may_be_mixed_in_any_way() -> None:
    read_late = read(io.BytesIO(lines("1 receive a", "0 send a", "0 receive a")))
    assert judge(read_late) == []
    assert events_by_name(read_late) == {1: [(False, "a")], 0: [(True, "a"), (False, "a")]}
    (fault,) = judge(read(io.BytesIO(lines("0 receive a", "0 send a"))))
    assert fault.kind == "received before sent"


@pytest.mark.parametrize("seed", range(20))
def test_what_is_written_is_read_again(seed: int, tmp_path: Path) -> None:
    written = random_history(random.Random(seed), clients=5, messages=40, drops=0.2, faults=seed % 3)
    write(tmp_path / "history.jsonl", written)
    again = read(tmp_path / "history.jsonl")
    assert events_by_name(again) == events_by_name(written)
    assert [fault.kind for fault in judge(again)] == [fault.kind for fault in judge(written)]


def test_different_messages_of_one_name_remain_different(tmp_path: Path) -> None:
    ambiguous = dataclasses.replace(history("+a +b a b", "a b"), names=['"same"', '"same"'])
    write(tmp_path / "history.jsonl", ambiguous)
    assert judge(read(tmp_path / "history.jsonl")) == []


def test_a_file_is_read_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    text = lines(*(f"{number % 3} send m{number}" for number in range(100)))
    whole = events_by_name(read(io.BytesIO(text)))
    for size in (97, 128, 1000):
        monkeypatch.setattr(file, "BLOCK_BYTES", size)
        assert events_by_name(read(io.BytesIO(text))) == whole
        with pytest.raises(UsageError, match=r"line 100: Input data was truncated"):
            read(io.BytesIO(text[:-5]))


def test_locations_in_the_file_are_reported() -> None:
    located = read(io.BytesIO(lines("0 send a", "0 send b", "1 receive b 5120 0.0812", "1 receive a 5125")))
    (fault,) = judge(located)
    assert fault.sentence == (
        "client 0 sent a before b, but client 1 received b (byte 5,120, at 81.2 ms) before a (byte 5,125)"
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"client": 0, "event": "send", "message": "a"}\n{"client": 0, "ev', "line 2: Input data was truncated"),
        (b"\n\nhello\n", "line 3: JSON is malformed"),
        (b'{"client": 0, "event": "send"}\n', "line 1: Object missing required field `message`"),
        (b'{"client": 0, "event": "hears", "message": "a"}\n', "line 1: Invalid enum value 'hears'"),
        (b'{"client": "0", "event": "send", "message": "a"}\n', "line 1: Expected `int`, got `str` - at `$.client`"),
        (b'{"client": -1, "event": "send", "message": "a"}\n', "line 1: Expected `int` >= 0 - at `$.client`"),
        (b'{"client": 0, "event": "send", "message": 1}\n', "line 1: Expected `str`, got `int` - at `$.message`"),
        (b'{"client": 0, "event": "send", "message": "a", "x": 1}\n', "line 1: Object contains unknown field `x`"),
        (b'{"client": 0, "event": "send", "message": "a", "at": -1}\n', "line 1: Expected `float` >= 0"),
        (b"[1]\n", "line 1: Expected `object`, got `array`"),
        (bytes(range(128, 256)), "line 1: "),
        (b'{"client": 0, "event": "send", "message": "\xff"}\n', "line 1: "),
        (b"x" * 3_000_000, "line 1 is longer than 1,048,576 bytes: this is not a history"),
        (b"\n" + SENT + b" " * (1 << 20) + b"\n", "line 2 is longer than 1,048,576 bytes"),
        (b"\n" * 1_000_000 + b" " * (1 << 20) + b" \n" + SENT, "line 1000001 is longer than 1,048,576 bytes"),
        # Neither is blank in JSON.
        (SENT + b"\n\f\n", "line 2: JSON is malformed"),
        (SENT + b"\n\v", "line 2: JSON is malformed"),
        # Not one object a line, wherever in the file.
        (SENT + SENT + b"\n", "line 1: JSON is malformed: trailing characters"),
        (SENT + b" " + SENT, "line 1: JSON is malformed: trailing characters"),
        (SENT + b"\n" + SENT + SENT + b"\n" + b"oops\n", "line 2: JSON is malformed: trailing characters"),
        (SENT + b"\n" + SENT.replace(b", ", b",\n") + b"\n", "line 2: Input data was truncated"),
        (SENT.replace(b", ", b",\n") + b"\n" + SENT + SENT + SENT + b"\n", "line 1: Input data was truncated"),
    ],
)
def test_an_invalid_line_is_reported_with_its_number(data: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").write_bytes(data)
    with pytest.raises(UsageError) as caught:
        read(tmp_path / "history.jsonl")
    assert f"history.jsonl, {words}" in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("ahead", [0, 1, 500_000, (1 << 20) - 50, 1 << 20])
def test_how_long_a_line_may_be_does_not_depend_on_where_it_is(ahead: int) -> None:
    longest = SENT + b" " * ((1 << 20) - len(SENT))
    for end in (b"", b"\n", b"\n\n"):
        assert len(read(io.BytesIO(b"\n" * ahead + longest + end)).events) == 1
        with pytest.raises(UsageError, match=f"line {ahead + 1} is longer than 1,048,576 bytes"):
            read(io.BytesIO(b"\n" * ahead + longest + b" " + end))


@pytest.mark.parametrize("blank", [b"", b"\r", b" \t ", b"\t\r"])
def test_blank_lines_are_left_out(blank: bytes) -> None:
    assert len(read(io.BytesIO(blank + b"\n" + SENT + b"\r\n" + blank + b"\n" + SENT + b"\n" + blank)).events[0]) == 2


@pytest.mark.parametrize("clients", [2, 3, 4, 9])
@pytest.mark.parametrize("locate", [None, lambda client, event: (10 * event, 81_200_000 * event)])
@pytest.mark.parametrize("name", ["m", "message.", "a name that goes on and on for ever, and then some more "])
def test_a_drawing_shows_all_witnesses_and_fits(clients: int, locate: None, name: str) -> None:
    names = [f"{name}{number}".replace(" ", "_") for number in range(clients)]
    ring = [f"{first} {second}" for first, second in zip(names, names[1:] + names[:1], strict=True)]
    (fault,) = judge(dataclasses.replace(history(*ring, *(f"+{name}" for name in names)), locate=locate))
    for width in (72, 80, 120):
        drawn = draw(fault, width)
        assert max(map(len, drawn.splitlines())) <= width
        assert all(f"client {client}" in drawn for client in range(clients))
        assert drawn.count("<- ") == 2 * clients
        assert drawn.count("  !") == 1


@pytest.mark.parametrize("width", [20, 30, 72, 80, 120])
@pytest.mark.parametrize("first", [0, 10**9, (1 << 62) - 100])
@pytest.mark.parametrize("clients", [2, 3, 7, 40])
def test_a_drawing_of_clients_with_large_numbers_fits(clients: int, first: int, width: int) -> None:
    ring = [f"m{number} m{(number + 1) % clients}" for number in range(clients)]
    sent = history(*ring, *(f"+m{number}" for number in range(clients)))
    (fault,) = judge(dataclasses.replace(sent, clients=range(first, first + 2 * clients)))
    drawn = draw(fault, width)
    assert max(map(len, drawn.splitlines())) <= width
    if width > len(f"client {first}"):
        assert all(f"client {first + client}" in drawn for client in (0, 1, clients - 1))


def test_a_drawing_of_many_events_of_a_client_fits() -> None:
    (fault,) = judge(history("b a " * 12, "+a +b " * 12))
    for width in (12, 20, 30, 80):
        assert max(map(len, draw(fault, width).splitlines())) <= width


def test_a_drawing_looks_like_this() -> None:
    text = lines("0 send q", "1 receive q 0 0.1", "1 send r 0 0.2", "2 receive r 0 0.3", "2 receive q 2 10")
    (fault,) = judge(read(io.BytesIO(text)))
    assert draw(fault, 80) == (
        "client 1           client 2\n"
        "--------           --------\n"
        "<- q   100.0 ms    <- r      300.0 ms\n"
        "-> r   200.0 ms    <- q   10,000.0 ms  !\n"
        "\n"
        "! no order has q before r before q"
    )


@pytest.mark.parametrize(
    ("events", "status", "words"),
    [
        (["0 send a", "0 receive a", "1 receive a"], 0, "lawful: 2 clients, 1 message, 2 deliveries"),
        ([], 3, "nothing was delivered: this proves nothing"),
        (["0 send a", "1 send b"], 3, "nothing was delivered: this proves nothing"),
        (["0 send x", "1 send x", "2 receive x", "2 receive x", "3 receive x"], 0, "lawful: 4 clients, 2 messages"),
        (["0 receive y", "0 receive y", "0 send y", "0 send y"], 1, "received before sent: client 0 received y"),
        (["0 send a 0 5", "0 receive a 0 1", "1 receive a 0 0"], 0, "lawful: 2 clients, 1 message, 2 deliveries"),
        (["0 send a", "0 receive a", "0 receive a"], 1, "duplicated: client 0 received message a 2 times"),
        (["0 receive a"], 1, "created: client 0 received a, which no client has sent"),
        (DISAGREEMENT, 1, "own first: client 0 received a before b, but client 1 received b before a"),
        (["0 send a", "0 hears a"], 2, "history.jsonl, line 2: Invalid enum value 'hears'"),
    ],
)
def test_judge_reports_whether_a_history_is_lawful(
    events: Sequence[str], status: int, words: str, tmp_path: Path
) -> None:
    (tmp_path / "history.jsonl").write_bytes(lines(*events))
    ended = harness("judge", "history.jsonl", folder=tmp_path)
    assert ended.returncode == status
    assert words in ended.stdout + ended.stderr
    as_json = harness("judge", "history.jsonl", "--json", folder=tmp_path)
    assert as_json.returncode == status
    if status != 2:
        data = json.loads(as_json.stdout)
        assert data["lawful"] == {0: True, 1: False, 3: None}[status]
        assert data["undecided"] == (words if status == 3 else "")
        assert [fault["kind"] for fault in data["faults"]] == ([words.split(":")[0]] if status == 1 else [])


def test_blank_lines_prove_nothing(tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").write_bytes(b"\n  \n\n")
    ended = harness("judge", "history.jsonl", folder=tmp_path)
    assert (ended.returncode, ended.stdout) == (
        3,
        "nothing was delivered: this proves nothing (0 clients, 0 messages, 0 deliveries)\n",
    )


def test_an_undecided_history_ends_with_status_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "history.jsonl").write_bytes(lines("0 send x", "0 send x", "1 receive x"))
    monkeypatch.setattr(judge_command, "decide", lambda recorded: decide(recorded, equal_budget=0))
    assert judge_command.command.main([str(tmp_path / "history.jsonl")], standalone_mode=False) == 3
    printed = capsys.readouterr().out
    assert printed == "cannot be decided: 2 messages have equal text (2 clients, 2 messages, 1 delivery)\n"


@pytest.mark.parametrize(("name", "words"), [("", "Is a directory"), ("nothing", "No such file or directory")])
def test_judge_reports_a_file_that_it_cannot_read(name: str, words: str, tmp_path: Path) -> None:
    ended = harness("judge", str(tmp_path / name), folder=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_data_of_a_fault_is_complete() -> None:
    (fault,) = judge(history("+a", "+b", "a b", "b a"))
    data = json.loads(json.dumps(as_data(fault)))
    assert (data["kind"], data["witnesses"], data["messages"]) == ("disagreement", [2, 3], ["a", "b"])
    assert data["sightings"][0] == {
        "client": 2,
        "event": "receive",
        "message": "a",
        "offset": None,
        "at_ns": None,
        "number": 0,
    }


def test_judge_reads_standard_input() -> None:
    ended = subprocess.run(command("judge", "-"), input=lines(*DISAGREEMENT), capture_output=True, check=False)
    assert ended.returncode == 1
    assert b"own first: client 0 received a before b" in ended.stdout
    ended = subprocess.run(command("judge", "-"), input=b"nonsense", capture_output=True, check=False)
    assert ended.returncode == 2
    assert b"standard input, line 1: " in ended.stderr
