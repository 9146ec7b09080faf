"""Standard input, output and error: closed, full, left by their reader, in any encoding; colours and pipes."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.simulated_runs import run_of as simulated_run
from tests.simulated_runs import write_run
from tests.zoo import COMMAND_S, CONFORMING, MISFITS, command, harness, lines_of

QUICK = ("-k", "the_ready_line_names_the_address", "--jobs", "1")
FAILING = ("check", MISFITS / "exits_at_once.py", "-k", "a_lone_client", "--jobs", "1")
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
LAWFUL = '{"client": 0, "event": "send", "message": "é→"}\n{"client": 0, "event": "receive", "message": "é→"}\n'
READING = [
    ["--help"],
    ["list"],
    ["list", "--json"],
    ["explain", "BC-FRAME-2"],
    ["diff", "threads", "asyncio"],
    ["report"],
    ["report", "--format", "json"],
    ["report", "--format", "junit"],
    ["compare", "latest", "latest"],
    ["judge", "lawful.jsonl"],
    ["judge", "unlawful.jsonl"],
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run and two histories."""
    path = tmp_path_factory.mktemp("streams")
    (path / "lawful.jsonl").write_text(LAWFUL, "utf-8")
    (path / "unlawful.jsonl").write_text(LAWFUL.splitlines()[1], "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        write_run(simulated_run({"ant": 5e6, "bee": 4e6}), "20250101T000000-0000")
    return path


def sh(line: str, *words: str | Path, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which "$H" is a command of the harness."""
    text = line.replace("$H", shlex.join(command(*map(str, words))))
    return subprocess.run(
        ["bash", "-c", text],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        stdin=subprocess.DEVNULL,
    )


def left(*words: str, folder: Path) -> tuple[int, str]:
    """Run a command whose standard output is a pipe without a reader; return its status and standard error."""
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(command(*words), cwd=folder, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    return ended.returncode, ended.stderr


# --- an output that cannot be written


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_a_full_disk_is_one_sentence_and_status_3(words: list[str], folder: Path) -> None:
    ended = sh("$H > /dev/full", *words, folder=folder)
    assert lines_of(ended.stderr) == ["harness: standard output could not be written: No space left on device"]
    assert ended.returncode == 3


def test_a_check_whose_output_cannot_be_written_goes_on_and_writes_its_report(tmp_path: Path) -> None:
    ended = sh("$H > /dev/full", "check", CONFORMING, *QUICK, "--json", "verdicts.json", folder=tmp_path)
    assert lines_of(ended.stderr) == ["harness: standard output could not be written: No space left on device"]
    assert ended.returncode == 3
    assert json.loads((tmp_path / "verdicts.json").read_bytes())["results"][0]["verdict"] == "pass"


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_nothing_is_printed_to_a_closed_output_and_the_status_is_as_it_is(words: list[str], folder: Path) -> None:
    ended = sh("$H >&- <&-", *words, folder=folder)
    assert ended.stderr == ""
    assert ended.returncode == ("unlawful.jsonl" in words)


def test_a_check_with_all_streams_closed_has_the_status_of_its_verdict(tmp_path: Path) -> None:
    assert sh("$H <&- >&- 2>&-", "check", CONFORMING, *QUICK, folder=tmp_path).returncode == 0
    assert sh("$H <&- >&- 2>&-", *FAILING, folder=tmp_path).returncode == 1


def test_an_error_that_cannot_be_printed_keeps_its_status(tmp_path: Path) -> None:
    for errors in ("2> /dev/full", "2>&-", "2>&1 > /dev/full | true; (exit ${PIPESTATUS[0]})"):
        assert sh(f"$H {errors}", "check", "asynccio", folder=tmp_path).returncode == 2


# --- a reader that leaves


def test_a_failure_stays_one_when_its_reader_leaves(tmp_path: Path) -> None:
    assert left(*map(str, FAILING), folder=tmp_path) == (1, "")
    ended = sh("$H | head -1; exit ${PIPESTATUS[0]}", *FAILING, folder=tmp_path)
    assert ended.stdout.split()[:2] == ["exits_at_once.py", "FAIL"]
    assert (ended.returncode, ended.stderr) == (1, "")


def test_a_check_that_its_reader_cuts_short_is_no_pass_and_its_report_has_what_was_found(tmp_path: Path) -> None:
    assert left("check", str(CONFORMING), *QUICK, "--json", "verdicts.json", folder=tmp_path) == (3, "")
    assert json.loads((tmp_path / "verdicts.json").read_bytes())["results"][0]["verdict"] == "pass"


def test_a_reader_may_leave_a_command_without_a_verdict(folder: Path) -> None:
    assert left("explain", "broadcast", folder=folder) == (0, "")


# --- encodings


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_every_command_is_readable_in_ascii(words: list[str], folder: Path) -> None:
    in_ascii = sh("$H", *words, folder=folder, **ASCII)
    in_utf8 = sh("$H", *words, folder=folder, PYTHONUTF8="1")
    assert in_ascii.stderr == in_utf8.stderr == ""
    assert in_ascii.returncode == in_utf8.returncode
    if "json" in words or "--json" in words:
        assert json.loads(in_ascii.stdout) == json.loads(in_utf8.stdout)
    elif "junit" not in words:
        assert in_ascii.stdout.isascii()
        characters = {"→": "->", "←": "<-", "·": ".", "–": "-", "±": "+-", "≥": ">=", "…": "...", "●": "*"}
        expected = in_utf8.stdout.replace("é", r"\xc3\xa9").replace("─", "-").replace("×", "x")
        for character, replacement in characters.items():
            expected = expected.replace(character, replacement)
        assert in_ascii.stdout == expected


def test_a_failure_is_readable_in_ascii(tmp_path: Path) -> None:
    ended = sh("$H", *FAILING, folder=tmp_path, **ASCII)
    assert "  FAIL  BC-" in ended.stdout
    assert ended.stdout.isascii()
    assert ended.stderr == ""
    assert ended.returncode == 1


def test_an_error_shows_no_byte_that_could_control_a_terminal(tmp_path: Path) -> None:
    ended = subprocess.run([*command("check"), b"\x1b[31m\xff\xc3\xa9"], capture_output=True, cwd=tmp_path, text=True)
    assert 'there is no server "\\x1b[31m\\xffé"' in ended.stderr
    assert ended.returncode == 2


# --- colours


def test_colours_are_forced_and_refused_and_a_pipe_has_no_cursor(tmp_path: Path) -> None:
    words = ("diff", "threads", "asyncio")
    assert "\x1b[" in sh("$H", *words, folder=tmp_path, FORCE_COLOR="1").stdout
    assert "\x1b[" not in sh("$H", *words, folder=tmp_path, FORCE_COLOR="1", NO_COLOR="1").stdout
    assert "\x1b[" not in sh("$H", *words, folder=tmp_path).stdout
    checked = sh("$H", "check", CONFORMING, *QUICK, folder=tmp_path, FORCE_COLOR="1")
    assert "\x1b" not in checked.stdout + checked.stderr
    assert checked.returncode == 0


def test_a_sentence_of_pytest_has_no_colour_and_options_for_it_do_not_reach_the_cases(tmp_path: Path) -> None:
    wrong = sh("$H", "check", CONFORMING, "-k", "and and", folder=tmp_path, FORCE_COLOR="1")
    assert "and and" in wrong.stderr
    assert "x1b" not in wrong.stderr
    for name, value in (("PYTEST_ADDOPTS", "--no-such-option"), ("PYTEST_PLUGINS", "no_such_plugin")):
        assert sh("$H", "check", CONFORMING, *QUICK, folder=tmp_path, **{name: value}).returncode == 0


# --- a non-blocking pipe


def test_a_pipe_that_another_process_has_made_non_blocking_loses_nothing(folder: Path) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    words = command("report", "--format", "json")
    expected = harness("report", "--format", "json", folder=folder).stdout
    with subprocess.Popen(words, cwd=folder, stdout=writing, stderr=subprocess.PIPE, text=True) as running:
        os.close(writing)
        with open(reading, encoding="utf-8") as stream:
            assert stream.read() == expected
        assert running.stderr and running.stderr.read() == ""
    assert running.returncode == 0
