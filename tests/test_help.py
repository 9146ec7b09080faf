"""What the command line shows: help, lists and tables that fit the terminal, and a shell's completion."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path

import click
import pytest

from harness.commands import completion, estimate
from harness.commands.main import SUMMARIES
from harness.commands.main import harness as group
from harness.errors import HarnessError
from harness.model import CaseResult, CheckResult, Level, Verdict
from tests import cli_page
from tests.zoo import CONFORMING, command, harness

COMMANDS = {name: group.get_command(click.Context(group), name) for name in SUMMARIES}
WIDTHS = pytest.mark.parametrize("columns", [80, 120])


def widest(text: str) -> int:
    return max(map(len, text.splitlines()))


# --- help


@pytest.mark.parametrize("name", SUMMARIES)
def test_the_first_line_of_a_help_is_the_one_in_the_list_of_commands(name: str) -> None:
    found = COMMANDS[name]
    assert found
    assert (found.help or "").splitlines()[0] == SUMMARIES[name]


@pytest.mark.parametrize("name", SUMMARIES)
def test_every_option_has_a_sentence_and_every_value_a_name(name: str) -> None:
    found = COMMANDS[name]
    assert found
    for option in found.params:
        if isinstance(option, click.Option):
            assert option.help, option
            assert option.help[0].isupper() and option.help.endswith("."), option.help
            assert option.is_flag or option.metavar or isinstance(option.type, click.Choice), option


@pytest.mark.parametrize("name", SUMMARIES)
def test_the_examples_can_be_parsed(name: str) -> None:
    found = COMMANDS[name]
    assert found
    assert found.epilog
    _, *examples = [line.strip() for line in found.epilog.splitlines() if line.strip() not in ("", "\b")]
    assert examples
    for line in examples:
        words = shlex.split(line.partition("<")[0])
        last = len(words) - words[::-1].index("harness")  # behind a pipe or "&" too
        if words[last] == name:
            found.make_context(name, words[last + 1 :])


@WIDTHS
@pytest.mark.parametrize("name", ["", *SUMMARIES])
def test_help_fits_the_terminal(name: str, columns: int, tmp_path: Path) -> None:
    ended = harness(*[name] * bool(name), "--help", folder=tmp_path, columns=columns)
    assert ended.returncode == 0
    assert widest(ended.stdout) <= columns


def test_commands_stand_in_groups(tmp_path: Path) -> None:
    lines = harness("--help", folder=tmp_path).stdout.splitlines()
    first_words = [line.split()[0].rstrip(":") for line in lines if line]
    order = "Try check run bench serve chat Read list explain diff report compare judge Write new build doctor selftest"
    assert [word for word in first_words if word in order.split()] == order.split()


def test_the_page_of_commands_is_up_to_date() -> None:
    assert cli_page.written() == cli_page.reference(), "make cli"


# --- list and doctor


@WIDTHS
def test_list_and_doctor_fit_the_terminal(columns: int, tmp_path: Path) -> None:
    for name in ("list", "doctor"):
        assert widest(harness(name, folder=tmp_path, columns=columns).stdout) <= columns


def listed(tmp_path: Path, *words: str) -> list[dict[str, str]]:
    ended = harness("list", "--json", *words, folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    records: list[dict[str, str]] = json.loads(ended.stdout)
    return records


@pytest.mark.parametrize(
    ("words", "key", "values"),
    [
        (["--language", "python"], "language", {"Python"}),
        (["--style", "LOOP"], "style", {"readiness loop", "completion loop"}),
        (["--spec", "groupchat"], "spec", {"groupchat"}),
        (["--category", "tuned"], "class", {"tuned"}),
        (["--class", "tuned", "--language", "go"], "name", {"go", "go_gnet", "go_tuned"}),
        (["--available"], "available", {True}),
    ],
)
def test_list_filters(words: list[str], key: str, values: set[object], tmp_path: Path) -> None:
    found = listed(tmp_path, *words)
    assert {record[key] for record in found} == values
    everything = listed(tmp_path)
    assert 0 < len(found) < len(everything) or values == {True}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--language", "pyton"], 'no server is of the language "pyton"; did you mean Python?'),
        (["--category", "quick"], 'no server is of the class "quick"; known: '),
        (["--spec", "brodcast"], 'there is no spec "brodcast"; did you mean broadcast?'),
    ],
)
def test_a_filter_that_nothing_can_match_is_an_error(words: list[str], sentence: str, tmp_path: Path) -> None:
    ended = harness("list", *words, folder=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert sentence in ended.stderr


def test_filters_that_match_nothing_together_are_none(tmp_path: Path) -> None:
    assert harness("list", "--style", "no such style", folder=tmp_path).stdout == "no server matches\n"


# --- what a check will do


def record_check_of(*specs: str, smoke: bool) -> None:
    """Record a check of each spec that took four minutes."""
    case = CaseResult(
        implementation="threads", spec="", id="a", requirements=(), level=Level.MUST, verdict=Verdict.PASS, seconds=240
    )
    checks = [CheckResult(implementation="threads", spec=spec, verdict=Verdict.PASS, cases=(case,)) for spec in specs]
    estimate.record(checks, smoke=smoke)


def first_line(*words: str, folder: Path) -> str:
    """Return the first line that a command prints; end it then."""
    with subprocess.Popen(command(*words), cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        line = process.stdout.readline()
        process.terminate()
    return line


def test_a_check_of_several_specs_says_which_and_about_how_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    words = ("check", "asyncio", "--smoke")
    first = "asyncio serves broadcast, channels and groupchat: smoke cases only"
    assert first_line(*words, folder=tmp_path) == f"{first}; --spec NAME checks one spec\n"
    record_check_of("channels", "groupchat", smoke=True)
    assert "serves" not in harness("check", str(CONFORMING), "--smoke", folder=tmp_path).stdout
    assert first_line(*words, folder=tmp_path).startswith(f"{first}, about ")  # that was the first check of broadcast


def test_the_time_is_that_of_the_last_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness import plugins

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    servers = [server for server in plugins.implementations() if server.name == "threads"]
    specs = list(plugins.specs().values())

    def announced() -> str:
        return estimate.announcement(servers, specs, jobs=4, smoke=False)

    assert "cases, roughly " in announced()
    record_check_of(*(spec.name for spec in specs), smoke=False)
    assert "cases, about 3 min; " in announced()
    (tmp_path / "zillions" / "check_seconds.json").write_text("broken")
    assert "cases, roughly " in announced()


# --- completion


def completed(words: str, folder: Path, shell: str = "bash") -> list[str]:
    """Return what a shell is offered for the last word."""
    environment = {
        **os.environ,
        "_HARNESS_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": f"harness {words}",
        "COMP_CWORD": str(len(words.split(" "))),
    }
    ended = subprocess.run(command(), env=environment, cwd=folder, capture_output=True, text=True)
    assert ended.stderr == ""
    return [line for line in ended.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("ch", ["plain,check", "plain,chat"]),
        ("check asyncio_", ["plain,asyncio_plain", "plain,asyncio_protocols"]),
        ("check ./serv", ["file,./serv"]),
        ("check --spec b", ["plain,broadcast"]),
        ("check --smo", ["plain,--smoke"]),
        ("bench asyncio --workload idle,flood_10", ["plain,idle,flood_10", "plain,idle,flood_1000"]),
        ("bench --profile q", ["plain,quick"]),
        ("explain BC-START-", None),
        ("list --language Py", ["plain,Python"]),
        ("report --format m", ["plain,markdown"]),
        ("report --by s", ["plain,score", "plain,single"]),
        ("report --weight few=1,p", ["plain,few=1,p99="]),
        ("report old", ["plain,older"]),
        ("compare ol", ["plain,older"]),
        ("chek asy", []),
    ],
)
def test_completion(words: str, offered: list[str] | None, tmp_path: Path) -> None:
    run = tmp_path / "results" / "older"
    run.mkdir(parents=True)
    (run / "run.json").touch()
    found = completed(words, tmp_path)
    if offered is None:
        assert found and all(line.startswith(f"plain,{words.split()[-1]}") for line in found)
    else:
        assert found == offered


def test_a_broken_plugin_completes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[str]:
        raise HarnessError("broken")

    complete = completion._completer(broken)
    assert complete(click.Context(group), click.Option(["--x"]), "") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_is_printed(shell: str, tmp_path: Path) -> None:
    environment = {**os.environ, "_HARNESS_COMPLETE": f"{shell}_source"}
    ended = subprocess.run(command(), env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0
    assert "_HARNESS_COMPLETE" in ended.stdout
