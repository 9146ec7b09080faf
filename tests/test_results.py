"""Runs on disk: no result is lost, and an interrupted run can be resumed."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
from pathlib import Path

import msgspec
import pytest

from harness import results
from harness.commands.measuring import PREVIEWED, new_run, preview, preview_servers
from harness.errors import HarnessError, UsageError
from harness.model import FORMAT, Implementation, Run
from harness.report import leaderboard
from tests.simulated_runs import run_of as simulated_run
from tests.simulated_runs import write_run
from tests.zoo import CONFORMING, MISFITS, MUTANTS, command, harness, implementation, lines_of

README = f"before\n{leaderboard.BEGIN}\nold\n{leaderboard.END}\nafter\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of two small servers, of which the second dies under load."""
    path = tmp_path_factory.mktemp("run")
    ended = harness("bench", CONFORMING, MISFITS / "dies_in_the_middle.py", "--profile", "smoke", folder=path)
    assert ended.returncode == 3, ended.stderr
    (path / "output.txt").write_text(ended.stdout)
    return path


def run_of(folder: Path) -> Run:
    return results.read(folder / "results" / "latest")


def test_only_the_named_workloads_run_and_the_ranking_one(tmp_path: Path) -> None:
    ended = harness("bench", CONFORMING, "--profile", "smoke", "--workload", "idle", folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert {trial.plan.workload for trial in run_of(tmp_path).trials} == {"flood", "idle"}


def test_a_run_with_little_time_has_only_the_ranking_workload(tmp_path: Path) -> None:
    ended = harness("bench", CONFORMING, "--within", "3s", folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    trials = run_of(tmp_path).trials
    assert {trial.plan.workload for trial in trials} == {"flood"}
    assert len({trial.plan.block for trial in trials}) < 8


def test_a_run_describes_how_it_was_made(folder: Path) -> None:
    info = run_of(folder).info
    assert info.command.startswith("harness bench ")
    assert info.machine.cores >= 1
    assert info.machine.packages["pytest"]
    assert info.profile == "smoke"


def test_every_workload_left_its_figures(folder: Path) -> None:
    figures = {
        trial.plan.workload: trial.figures
        for trial in run_of(folder).trials
        if trial.plan.implementation == "server.py"
    }
    assert figures["flood"]["deliveries_per_s"] > 1000
    assert figures["flood"]["in_flight"] == 256
    assert figures["flood"]["server_cpu_ns_per_delivery"] >= 0
    assert 0 < figures["paced"]["latency_p50_ns"] <= figures["paced"]["latency_p99_ns"]
    assert figures["idle"]["rss_idle_bytes"] > figures["idle"]["clients"]


def test_a_server_that_dies_under_load_does_not_finish_and_the_other_continues(folder: Path) -> None:
    dead = [
        trial for trial in run_of(folder).trials if trial.plan.implementation != "server.py" and trial.did_not_finish
    ]
    assert dead
    assert "exited with status 9 in the middle of the trial; its last words: " in dead[0].did_not_finish
    assert dead[0].figures == {}
    output = (folder / "output.txt").read_text()
    assert "dies_in_the_middle.py: did not finish (flood): the server exited with status 9" in " ".join(output.split())
    assert any(line.split()[:2] == ["1", "server.py"] for line in output.splitlines())


@pytest.mark.parametrize("columns", [80, 120])
def test_the_table_fits_the_terminal(folder: Path, columns: int) -> None:
    output = harness("report", folder=folder, columns=columns).stdout
    assert max(map(len, output.splitlines())) <= columns


def test_the_report_rewrites_the_readme_between_its_markers_and_nothing_else(folder: Path) -> None:
    readme = folder / "README.md"
    readme.write_text(README)
    assert harness("report", "--readme", "README.md", folder=folder).returncode == 0
    before, rest = readme.read_text().split(leaderboard.BEGIN)
    table, after = rest.split(leaderboard.END)
    assert (before, after) == ("before\n", "\nafter\n")
    assert "| server.py |" in table
    assert "broadcast: the best 1 of 1 ranked servers" in table
    once = readme.read_text()
    assert harness("report", "--readme", "README.md", folder=folder).returncode == 0
    assert readme.read_text() == once


def test_the_pages_have_every_server_and_where_the_run_comes_from(folder: Path) -> None:
    assert harness("report", "--pages", "pages", folder=folder).returncode == 0
    page = (folder / "pages" / "broadcast.md").read_text()
    assert "| server.py |" in page
    assert "- dies_in_the_middle.py: did not finish (flood)" in page
    assert "Made by `harness bench" in page


@pytest.mark.parametrize("text", ["", README.replace(leaderboard.END, ""), README + README, README[::-1]])
def test_a_readme_without_the_two_markers_is_left_alone(folder: Path, text: str) -> None:
    readme = folder / "OTHER.md"
    readme.write_text(text)
    ended = harness("report", "--readme", "OTHER.md", folder=folder)
    assert ended.returncode == 2
    assert "needs the markers" in ended.stderr
    assert readme.read_text() == text


@pytest.mark.parametrize("form", ["markdown", "json", "junit", "terminal"])
def test_every_reporter_shows_a_run(folder: Path, form: str) -> None:
    ended = harness("report", "--format", form, folder=folder)
    assert ended.returncode == 0
    assert "server.py" in ended.stdout


def test_a_line_that_was_cut_short_is_cut_off_and_its_trial_repeated(folder: Path) -> None:
    path = (folder / "results" / "latest").resolve()
    trials = path / results.TRIALS
    whole = trials.read_bytes()
    lines = whole.splitlines(keepends=True)
    trials.write_bytes(b"".join(lines[:-1]) + lines[-1][:40])
    assert len(results.read(path).trials) == len(lines) - 1
    _, run = results.reopen(path)
    assert trials.read_bytes() == b"".join(lines[:-1])
    assert len(run.trials) == len(lines) - 1
    trials.write_bytes(whole)


def test_a_malformed_line_is_reported_with_file_and_line(folder: Path) -> None:
    path = (folder / "results" / "latest").resolve()
    trials = path / results.TRIALS
    whole = trials.read_bytes()
    trials.write_bytes(b'{"plan": 3}\n' + whole)
    with pytest.raises(UsageError, match=r"trials.jsonl, line 1: "):
        results.read(path)
    trials.write_bytes(whole)


@pytest.mark.parametrize(
    ("change", "number"), [({"format": FORMAT - 1}, FORMAT - 1), ({"format": FORMAT + 1}, FORMAT + 1), ({}, 1)]
)
@pytest.mark.parametrize(
    "words", [["report"], ["compare", "latest", "latest"], ["compare", "server.py", "ant"], ["run", "--resume"]]
)
def test_a_run_of_another_format_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, int], number: int, words: list[str]
) -> None:
    """The first format had no number."""
    monkeypatch.chdir(tmp_path)
    path = write_run(simulated_run({"ant": 5e6}), "other")
    info = json.loads((path / results.INFO).read_bytes())
    del info["format"]
    (path / results.INFO).write_text(json.dumps(info | change))
    ended = harness(*words, folder=tmp_path)
    assert ended.returncode == 2
    assert f"other has format {number}, written by zillions 1; this harness reads format {FORMAT} only" in ended.stderr
    assert len(lines_of(ended.stderr)) == 1


def test_an_interrupted_run_can_be_resumed(tmp_path: Path) -> None:
    """SIGINT when some cases are on disk; --resume runs the others, and none twice."""
    words = command("run", str(CONFORMING), "--smoke", "--profile", "smoke", "--jobs", "2")
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        assert running.stdout
        path = tmp_path / running.stdout.readline().decode().split()[-1]
        while (path / results.CASES).read_bytes().count(b"\n") < 5:
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        assert running.wait(20) == 128 + signal.SIGINT
    before = results.read(path).cases
    assert len(before) >= 5
    ended = harness("run", "--resume", folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    run = results.read(path)
    assert list(run.cases[: len(before)]) == list(before)
    ids = [case.id for case in run.cases]
    assert 10 < len(ids) == len(set(ids)) < 30, "the run has smoke cases only, and so has the rest of it"
    assert {trial.plan.workload for trial in run.trials} >= {"churn", "flood", "paced", "idle"}
    assert harness("run", "--resume", folder=tmp_path).returncode == 0
    assert len(results.read(path).trials) == len(run.trials), "a finished run was measured again"


def test_no_case_starts_after_the_deadline(tmp_path: Path) -> None:
    ended = harness("run", str(CONFORMING), "--profile", "smoke", "--within", "0.5s", folder=tmp_path)
    assert ended.returncode == 3, ended.stdout
    assert "time is up: 0 of 1 servers checked; `harness run --resume` continues" in ended.stdout
    run = results.read(tmp_path / "results" / "latest")
    assert len(run.cases) < 80
    assert run.trials == []


def test_of_many_servers_some_that_need_no_build_are_previewed(tmp_path: Path) -> None:
    (tmp_path / "server.c").touch()
    lazy = Implementation(
        name="lazy", spec="broadcast", source=tmp_path / "server.c", build=("cc",), run=("{build}/x",)
    )
    many = [msgspec.structs.replace(implementation(CONFORMING), name=f"honest {number}") for number in range(PREVIEWED)]
    assert preview_servers(many) == []
    assert preview_servers([lazy, *many]) == many
    assert preview_servers([*many, *many]) == many
    another = [msgspec.structs.replace(server, spec="channels") for server in many]
    assert preview_servers([*many[:2], *another]) == many[:2]


async def test_a_preview_is_shown_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    server = implementation(CONFORMING)
    store, _ = new_run([server], "smoke")
    await preview(store, [server])
    output = capsys.readouterr().out
    assert "a preview, from one trial of each server" in output
    assert server.name in output
    assert results.read(store.path).trials == []


def test_a_full_disk_is_an_error_and_the_results_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = (folder / "results" / "latest").resolve()
    store, run = results.reopen(path)
    size = (path / results.TRIALS).stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))  # the kernel does not let the file grow
    try:
        with pytest.raises(HarnessError, match=r"cannot be written: .*--resume"):
            store.add_trial(run.trials[0])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert len(results.read(path).trials) == len(run.trials)


def test_the_json_has_the_contract(tmp_path: Path) -> None:
    ended = harness(
        "check",
        CONFORMING,
        "-k",
        "empty_message or real_time",
        "--json",
        "out.json",
        "--junit",
        "out.xml",
        folder=tmp_path,
    )
    assert ended.returncode == 0, ended.stderr
    (result,) = json.loads((tmp_path / "out.json").read_text())["results"]
    assert (result["implementation"], result["spec"], result["verdict"]) == ("server.py", "broadcast", "pass")
    by_id = {case["id"]: case for case in result["cases"]}
    assert by_id["an_empty_message_is_forwarded"]["requirements"] == ["BC-FRAME-1"]
    assert by_id["an_empty_message_is_forwarded"]["level"] == "MUST"
    assert by_id["an_empty_message_is_forwarded"]["verdict"] == "pass"
    (used,) = by_id["an_empty_message_is_forwarded"]["used"]
    assert used["before"]["processes"] == used["after"]["processes"] == 1
    assert 0 < used["before"]["descriptors"] < used["after"]["descriptors"], "clients were there at the end"
    assert by_id["an_empty_message_is_forwarded"]["facts"] == {}
    reported = by_id["whether_the_order_is_that_of_real_time_is_told"]
    assert (reported["level"], reported["verdict"]) == ("INFO", "info")
    assert "linearizable" in reported["message"]
    assert 'name="an_empty_message_is_forwarded"' in (tmp_path / "out.xml").read_text()
    assert os.listdir(tmp_path) and not (tmp_path / "results").exists(), "a check alone keeps nothing"


def test_a_server_with_a_fault_under_load_does_not_finish_at_any_speed(tmp_path: Path) -> None:
    faults = {
        "receivers_disagree": "disagreement",
        "senders_order_broken": "sender order",
        "greets": "no client has sent",
    }
    mutants = [MUTANTS / "broken" / f"{name}.py" for name in faults]
    ended = harness(
        "bench", *mutants, MUTANTS / "conforming" / "drops_after_five.py", "--profile", "smoke", folder=tmp_path
    )
    assert ended.returncode == 3
    trials = results.read(tmp_path / "results" / "latest").trials
    for name, kind in faults.items():
        reasons = [trial.did_not_finish for trial in trials if trial.plan.implementation == f"{name}.py"]
        assert any(kind in reason for reason in reasons), reasons
    assert not any(trial.did_not_finish for trial in trials if trial.plan.implementation == "drops_after_five.py")
