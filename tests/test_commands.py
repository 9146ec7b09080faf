"""The command line: usage errors are one clear sentence and status 2, never a traceback."""

from __future__ import annotations

import json
import shlex
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from harness import plugins
from tests.zoo import COMMAND_S, CONFORMING, MUTANTS, command, harness, lines_of

SPECS = Path(__file__).parent.parent / "spec"
NAMES = sorted({server.name for server in plugins.implementations()})


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["chek"], 'there is no command "chek"; did you mean check?'),
        (["check"], "no server selected: give names or paths, or --all for all servers"),
        (["check", "asynccio"], 'there is no server "asynccio"; did you mean asyncio?'),
        (
            ["run", "xyzzy"],
            f'there is no server "xyzzy"; known: {", ".join(NAMES)}',
        ),
        (["check", "asyncio", "--foo"], "No such option '--foo'"),
        (["check", "asyncio", "--jobs", "many"], "'many' is not a valid integer range"),
        (["check", "asyncio", "--spec", "brodcast"], 'there is no spec "brodcast"; did you mean broadcast?'),
        (["check", "asyncio", "-k", "no_such_case"], "no case of broadcast matches"),
        (["check", "asyncio", "-k", "and and"], "and and"),
        (["bench", "asyncio", "--profile", "slow"], "'slow' is not one of"),
        (["bench", "asyncio", "--for", "40"], "'40' is not a duration: write 90s, 40m or 2h"),
        (["bench", "asyncio", "--workload", "flod"], 'there is no workload "flod"; did you mean flood?'),
        (["bench", "asyncio", "--workload", "flood,"], "'flood,' is not a list of names: write ONE or ONE,ANOTHER"),
        (["bench", "asyncio", "--for", ""], "'' is not a duration: write 90s, 40m or 2h"),
        (["run", "asyncio", "--within", "soon"], "'soon' is not a duration: write 90s, 40m or 2h"),
        (
            ["bench", "asyncio", "--reference", "asincio"],
            'the reference "asincio" is not among the servers; did you mean',
        ),
        (
            ["run", "--resume", "--reference", "asyncio"],
            "--reference cannot be given with --resume, which takes it from",
        ),
        (["run", "--resume", "--profile", "full"], "--profile cannot be given with --resume"),
        (["run", "x", "--resume", "y"], "--resume takes the servers from the run that it continues"),
        (
            ["bench", "asyncio", "--workload", "smallest"],
            "the workload smallest is not in the profile quick: use --profile full",
        ),
        (["compare", "a", "b", "--for", "2m"], "--for has a meaning with --live only"),
        (["compare", "a", "b", "--live", "--run", "latest"], "--run has no meaning with --live"),
        (["chat", "127.0.0.1:9", "--messages", "9"], "--messages has a meaning with --swarm only"),
        (["explain", "BC-FRAME-99"], 'there is no requirement, case or spec "BC-FRAME-99"; did you mean BC-FRAME-'),
        (["report"], "there is no run in results/; make one with `harness run --all`"),
        (["report", "nothing"], 'there is no run "nothing"'),
        (["report", "--weight", "few"], "'few' is not MEASURE=N with N above 0"),
        (["report", "--weight", "few=1,p99=0"], "'p99=0' is not MEASURE=N with N above 0"),
        (["run", "--resume"], "there is no run in results/"),
        (["run", "--resume", "--all"], "--all cannot be given with --resume"),
        (["serve", "asyncio", "9000"], "not an address (HOST:PORT or [HOST]:PORT): 9000"),
        (["judge", "nothing.jsonl"], "nothing.jsonl cannot be read"),
        (["check", "."], "is a folder without a manifest"),
    ],
)
def test_wrong_usage_is_one_sentence_and_status_2(words: list[str], sentence: str, tmp_path: Path) -> None:
    ended = harness(*words, folder=tmp_path)
    assert sentence in ended.stderr
    assert len(lines_of(ended.stderr)) == 1, ended.stderr
    assert ended.returncode == 2
    assert ended.stdout == ""


def test_list_has_every_server_and_its_record(tmp_path: Path) -> None:
    records = json.loads(harness("list", "--json", folder=tmp_path).stdout)
    by_name = {record["name"]: record for record in records}
    assert {"asyncio", "threads", "anyio", "twisted", "c_epoll"} <= set(by_name)
    assert by_name["c_epoll"]["class"] == "tuned"
    assert by_name["c_epoll"]["language"] == "C"
    assert "asyncio" in harness("list", folder=tmp_path).stdout


def test_a_missing_toolchain_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "impl.toml").write_text('name = "far"\nspec = "broadcast"\nrun = ["x"]\nneeds = ["command:no-such"]\n')
    ended = harness("check", str(tmp_path), CONFORMING, "--smoke", folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "far          unavailable: no-such is not installed\n" in ended.stdout
    assert "1 of 2 servers pass every MUST, 1 is unavailable" in ended.stdout


def test_a_server_that_cannot_be_built_is_reported_once_and_the_others_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "server.x").touch()
    (tmp_path / "impl.toml").write_text(
        'name = "far"\nspec = "broadcast"\nsource = "server.x"\nrun = ["x"]\n'
        'build = ["sh", "-c", "echo no network >&2; exit 7"]\n'
    )
    ended = harness("check", str(tmp_path), CONFORMING, "--smoke", folder=tmp_path)
    assert ended.returncode == 3, ended.stderr
    assert (
        "far          unknown cannot be built: sh exited with status 7; its last words:\n        no network\n"
        in ended.stdout
    )
    assert "1 of 2 servers pass every MUST" in ended.stdout


def test_explain_has_text_reason_transcripts_and_bug(tmp_path: Path) -> None:
    text = harness("explain", "bc-frame-2", folder=tmp_path).stdout
    for word in ("However TCP splits", "why", "right", "wrong", "bug", "a_header_may_come_alone"):
        assert word in text
    assert "BC-FRAME-2" in harness("explain", "test_a_header_may_come_alone", folder=tmp_path).stdout


def test_explain_shows_a_whole_spec_within_the_terminal_and_as_a_page(tmp_path: Path) -> None:
    lines = harness("explain", "broadcast", folder=tmp_path).stdout.splitlines()
    assert "BC-FRAME-2 (MUST)" in lines
    assert max(map(len, lines)) <= 80
    page = harness("explain", "broadcast", "--markdown", folder=tmp_path).stdout
    assert page == (SPECS / "broadcast" / "REQUIREMENTS.md").read_text("utf-8")


def test_doctor_describes_the_machine(tmp_path: Path) -> None:
    ended = harness("doctor", folder=tmp_path)
    assert ended.returncode == 0
    for word in ("machine", "open files", "asyncio", "can run here: "):
        assert word in ended.stdout


def test_a_check_that_fails_ends_in_status_1_and_says_why(tmp_path: Path) -> None:
    ended = harness("check", MUTANTS / "broken" / "sender_left_out.py", "-x", folder=tmp_path, columns=100)
    assert ended.returncode == 1
    assert "BC-DELIVER-1 (MUST) a_lone_client_receives_its_own_messages" in ended.stdout
    assert "requirement: Every message is forwarded to all clients, including the sender." in ended.stdout


def test_a_reader_that_stops_early_ends_it_quietly(tmp_path: Path) -> None:
    line = f"{shlex.join(command('check', str(CONFORMING), str(CONFORMING), '-k', 'ready_line'))} | true"
    ended = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ended.stderr == ""


def test_an_unknown_verdict_ends_in_status_3(tmp_path: Path) -> None:
    (tmp_path / "impl.toml").write_text('name = "far"\nspec = "broadcast"\nrun = ["x"]\nneeds = ["command:no-such"]\n')
    assert harness("check", str(tmp_path), folder=tmp_path).returncode == 3


def test_serve_runs_a_server_until_its_signal(tmp_path: Path) -> None:
    with subprocess.Popen(
        command("serve", str(CONFORMING), "127.0.0.1:0"), stdout=subprocess.PIPE, cwd=tmp_path
    ) as running:
        assert running.stdout
        address = running.stdout.readline().decode().split()[-1]
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"\x02hi")
            assert client.recv(3) == b"\x02hi"
        running.send_signal(signal.SIGINT)
        assert running.wait(COMMAND_S) == 0


@pytest.mark.parametrize(
    ("lines", "status", "words"),
    [
        (["0 send a", "0 receive a", "1 receive a"], 0, "lawful: 2 clients, 1 message, 2 deliveries"),
        (["0 send a", "0 receive a", "0 receive a"], 1, "duplicated: client 0 received message a 2 times"),
        (["0 receive a"], 1, "created: client 0 received a, which no client has sent"),
        (["0 send a", "1 send b", "0 receive a", "0 receive b", "1 receive b", "1 receive a"], 1, "before"),
        (["0 send a", "0 hears a"], 2, "history.jsonl, line 2: Invalid enum value 'hears'"),
    ],
)
def test_judge_decides_whether_a_history_is_lawful(lines: list[str], status: int, words: str, tmp_path: Path) -> None:
    events = [line.split() for line in lines]
    text = "".join(
        json.dumps({"client": int(client), "event": event, "message": message}) + "\n"
        for client, event, message in events
    )
    (tmp_path / "history.jsonl").write_text(text)
    ended = harness("judge", "history.jsonl", folder=tmp_path)
    assert ended.returncode == status
    assert words in ended.stdout + ended.stderr
