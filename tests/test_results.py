"""Runs on disk: no result is lost, and an interrupted run can be resumed."""

from __future__ import annotations

import json
import math
import os
import re
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import msgspec
import pytest

from harness import results
from harness.blocks import BlockResult, Role
from harness.commands import measure as measure_module
from harness.commands.measure import PREVIEWED, measure, preview, preview_servers
from harness.commands.measuring import Clock, new_run
from harness.errors import HarnessError, UsageError
from harness.league.baseline_relay import NAME as BASELINE
from harness.league.messages import BlockRequest
from harness.league.profiles import PROFILES
from harness.model import FORMAT, Implementation, Run, Verdict
from harness.report import leaderboard
from tests.simulated_runs import MACHINE, block_of, server, slice_of, write_run
from tests.simulated_runs import run_of as simulated_run
from tests.test_schedule import result_of, tied
from tests.zoo import COMMAND_S, CONFORMING, MISFITS, MUTANTS, command, harness, implementation, lines_of

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


def test_only_the_named_workloads_run_and_the_blocks_come_first(tmp_path: Path) -> None:
    ended = harness("bench", CONFORMING, "--profile", "smoke", "--workload", "idle", folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    (trial,), (block,) = run_of(tmp_path).trials, run_of(tmp_path).blocks
    assert trial.plan.workload == "idle"
    assert block.started <= trial.started


def test_a_run_with_little_time_has_fewer_blocks(tmp_path: Path) -> None:
    """Twelve would take longer than this, even where the servers start at once."""
    ended = harness("bench", CONFORMING, "--within", "10s", folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert 0 < len(run_of(tmp_path).blocks) < PROFILES["quick"].blocks


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


def test_a_block_has_the_servers_and_the_baseline_with_all_slices_of_the_profile(folder: Path) -> None:
    (block,) = run_of(folder).blocks
    names = ["server.py", "dies_in_the_middle.py", BASELINE]
    assert [(entry.name, entry.role) for entry in block.entries] == list(
        zip(names, [Role.SERVER, Role.SERVER, Role.BASELINE], strict=True)
    )
    assert (block.number, block.spec, block.plan) == (0, "broadcast", PROFILES["smoke"].slices)
    kinds = {entry.name: sorted(result.kind for result in block.slices_of(entry)) for entry in block.entries}
    assert kinds == {
        "server.py": sorted(["idle", *(plan.kind for plan in block.plan)]),
        "dies_in_the_middle.py": [],
        BASELINE: ["few"],
    }


def test_a_server_that_dies_under_load_does_not_finish_and_the_other_continues(folder: Path) -> None:
    (block,) = run_of(folder).blocks
    assert block.failed.keys() == {"1"}
    assert "exited with status 9 in the middle of the block; its last words: " in block.failed["1"]
    assert {trial.plan.implementation for trial in run_of(folder).trials} == {"server.py"}, "it gets no other workload"
    output = (folder / "output.txt").read_text()
    assert "\ndies_in_the_middle.py: did not finish: the server exited with status 9" in output
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
    assert "- `dies_in_the_middle.py: did not finish: the server exited with status 9 in the middle of" in page
    assert "Made by `harness bench" in page


def test_names_and_last_words_are_no_markup_in_the_pages(tmp_path: Path) -> None:
    run = simulated_run({"ant|bee": 5e6, "cow": 4e6})
    words = "it died: [click](https://example.org) @everyone"
    failed = msgspec.structs.replace(run.blocks[-1], failed={"1": words})  # the number of its entry
    (path,) = leaderboard.write_pages(tmp_path, Run(run.info, [], blocks=[*run.blocks[:-1], failed]))
    page = path.read_text()
    assert "| ant\\|bee " in page
    assert f"- `cow: did not finish: {words}" in page


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


def kept(run: Run, name: str) -> int:
    """Return how many lines of a file a run has."""
    return len({results.CASES: run.cases, results.TRIALS: run.trials, results.BLOCKS: run.blocks}[name])


@pytest.mark.parametrize("name", [results.TRIALS, results.BLOCKS])
def test_a_line_that_was_cut_short_is_cut_off_and_its_trial_or_block_repeated(folder: Path, name: str) -> None:
    path = (folder / "results" / "latest").resolve()
    file = path / name
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:-1]) + lines[-1][:40])
    assert kept(results.read(path), name) == len(lines) - 1
    _, run = results.reopen(path)
    assert file.read_bytes() == b"".join(lines[:-1])
    assert kept(run, name) == len(lines) - 1
    file.write_bytes(whole)


@pytest.mark.parametrize("name", [results.CASES, results.TRIALS, results.BLOCKS])
def test_a_malformed_line_is_reported_with_file_and_line(folder: Path, name: str) -> None:
    path = (folder / "results" / "latest").resolve()
    file = path / name
    whole = file.read_bytes()
    file.write_bytes(b'{"plan": 3}\n' + whole)
    with pytest.raises(UsageError, match=rf"{name}, line 1: "):
        results.read(path)
    file.write_bytes(whole)


def test_blocks_on_disk_are_those_that_were_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = simulated_run({"ant": 5e6, "bee": 4e6}, blocks=3, control="bee")
    assert results.read(write_run(run, "kept")).blocks == run.blocks


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
            time.sleep(0.02)  # a file that another process writes is no event of ours
        running.send_signal(signal.SIGINT)
        assert running.wait(COMMAND_S) == 128 + signal.SIGINT
    before = results.read(path).cases
    assert len(before) >= 5
    ended = harness("run", "--resume", folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    run = results.read(path)
    assert list(run.cases[: len(before)]) == list(before)
    ids = [case.id for case in run.cases]
    assert 10 < len(ids) == len(set(ids)) < 30, "the run has smoke cases only, and so has the rest of it"
    assert {trial.plan.workload for trial in run.trials} >= {"churn", "flood", "paced", "idle"}
    assert [block.number for block in run.blocks] == [0]
    assert harness("run", "--resume", folder=tmp_path).returncode == 0
    again = results.read(path)
    assert (again.trials, again.blocks) == (run.trials, run.blocks), "a finished run was measured again"
    (path / results.BLOCKS).write_bytes((path / results.BLOCKS).read_bytes()[:-1])
    assert harness("run", "--resume", folder=tmp_path).returncode == 0
    again = results.read(path)
    assert again.trials == run.trials
    assert [block.number for block in again.blocks] == [0], "the block that was cut short was not made again"


def test_no_case_starts_after_the_deadline(tmp_path: Path) -> None:
    ended = harness("run", str(CONFORMING), "--profile", "smoke", "--within", "0.5s", folder=tmp_path)
    assert ended.returncode == 3, ended.stdout
    assert "time is up: 0 of 1 servers checked; `harness run --resume` continues" in ended.stdout
    run = results.read(tmp_path / "results" / "latest")
    assert len(run.cases) < 80
    assert (run.trials, run.blocks) == ([], [])


@pytest.mark.parametrize(
    ("for_s", "within_s", "is_limited", "is_extended"),
    [(0, math.inf, False, False), (3600, math.inf, False, True), (0, 3600, True, True), (3600, 7200, True, True)],
)
def test_a_run_is_extended_for_so_long_or_until_it_has_to_end(
    for_s: float, within_s: float, is_limited: bool, is_extended: bool
) -> None:
    clock = Clock.of(for_s, within_s)
    assert (clock.is_limited, clock.is_extended) == (is_limited, is_extended)
    assert clock.left_s <= within_s
    assert math.isinf(clock.left_s) != is_limited


def test_of_many_servers_some_that_need_no_build_are_previewed(tmp_path: Path) -> None:
    (tmp_path / "server.c").touch()
    lazy = Implementation(
        name="lazy", spec="broadcast", source=tmp_path / "server.c", build=("cc",), run=("{build}/x",)
    )
    many = [msgspec.structs.replace(implementation(CONFORMING), name=f"honest {number}") for number in range(PREVIEWED)]
    assert preview_servers(many) == []
    assert preview_servers([lazy, *many]) == many
    assert preview_servers([*many, *many]) == [], "all are built and soon checked"
    assert preview_servers([*many, *many, *many, *many]) == many
    another = [msgspec.structs.replace(server, spec="channels") for server in many]
    assert preview_servers([*many[:2], *another, lazy]) == many[:2]


async def test_a_preview_is_shown_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    server = implementation(CONFORMING)
    store, _ = new_run([server], "smoke")
    await preview(store, [server])
    output = capsys.readouterr().out
    assert "a preview of servers that need no build, from a few short slices" in output
    assert any(line.split()[:2] == ["1", server.name] for line in output.splitlines())
    kept = results.read(store.path)
    assert (kept.trials, kept.blocks) == ([], [])


# --- blocks that are never made


def pretend_blocks(monkeypatch: pytest.MonkeyPatch, *failing: str) -> list[BlockRequest]:
    """Let all blocks be simulated, with servers that fail in the third one; return the requests of the blocks."""
    made: list[BlockRequest] = []

    async def simulate(
        requests: Iterable[BlockRequest],
        starting: Callable[[BlockRequest], None],
        ended: Callable[[BlockResult], None],
    ) -> None:
        for request in requests:
            starting(request)
            made.append(request)
            ended(result_of(request, rate, failed=failing if request.number == 2 else ()))

    monkeypatch.setattr(measure_module, "run_blocks", simulate)
    return made


def rate(name: str, number: int) -> float:
    return 1e9 if name == BASELINE else tied(name, number)


ZOO = [server(name) for name in ("ant", "bee", "cow")]
ENDLESS = Clock(0)


async def test_the_league_is_shown_at_each_look_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    made = pretend_blocks(monkeypatch)
    store, nothing = new_run(ZOO, "quick")
    assert await measure(store, ZOO, nothing, ENDLESS) is Verdict.PASS
    shown = capsys.readouterr().out
    assert re.findall(r"after \d+ blocks:", shown) == ["after 8 blocks:"]
    ranked = re.findall(r"^ *\d[\d–]* +(ant|bee|cow) ", shown.split("after 8 blocks:")[1], re.MULTILINE)
    assert sorted(ranked) == ["ant", "ant", "bee", "bee", "cow", "cow"], "once at the look, once at the end"
    assert [block.number for block in results.read(store.path).blocks] == list(range(12))
    assert len(made) == 12


async def test_a_resumed_run_makes_only_the_blocks_that_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = pretend_blocks(monkeypatch)
    store, nothing = new_run(ZOO, "quick")
    await measure(store, ZOO, nothing, ENDLESS)
    whole = (store.path / results.BLOCKS).read_bytes()
    (store.path / results.BLOCKS).write_bytes(b"".join(whole.splitlines(keepends=True)[:5]))
    made.clear()
    store, so_far = results.reopen(store.path)
    await measure(store, ZOO, so_far, ENDLESS)
    assert [request.number for request in made] == list(range(5, 12))
    assert (store.path / results.BLOCKS).read_bytes() == whole


@pytest.mark.parametrize(("failing", "verdict"), [("bee", Verdict.FAIL), (BASELINE, Verdict.PASS)])
async def test_a_server_that_fails_in_a_block_did_not_finish_and_the_baseline_is_no_server(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failing: str,
    verdict: Verdict,
) -> None:
    monkeypatch.chdir(tmp_path)
    made = pretend_blocks(monkeypatch, failing)
    store, nothing = new_run(ZOO, "quick")
    assert await measure(store, ZOO, nothing, ENDLESS) is verdict
    assert f"{failing}: did not finish: it died" in capsys.readouterr().out
    assert ("bee" in [entry.name for entry in made[-1].entries]) is (verdict is Verdict.PASS)


async def test_no_block_starts_when_the_time_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = pretend_blocks(monkeypatch)
    store, nothing = new_run(ZOO, "full")
    with pytest.raises(HarnessError, match="no block fits into the time that is left"):
        await measure(store, ZOO, nothing, Clock(math.inf, end_s=0))
    assert made == []
    run = results.read(store.path)
    assert (run.trials, run.blocks) == ([], [])


def test_a_full_disk_is_an_error_and_the_results_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = (folder / "results" / "latest").resolve()
    store, run = results.reopen(path)
    size = min((path / name).stat().st_size for name in (results.TRIALS, results.BLOCKS))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))  # the kernel does not let the file grow
    try:
        for add in (partial(store.add_trial, run.trials[0]), partial(store.add_block, run.blocks[0])):
            with pytest.raises(HarnessError, match=r"cannot be written: .*--resume"):
                add()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    again = results.read(path)
    assert (again.trials, again.blocks) == (run.trials, run.blocks)


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
    reported = by_id["whether_the_order_is_that_of_real_time_is_reported"]
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
    run = run_of(tmp_path)
    reasons = [(trial.plan.implementation, trial.did_not_finish) for trial in run.trials if trial.did_not_finish]
    for block in run.blocks:
        reasons += [(block.entries[int(number)].name, reason) for number, reason in block.failed.items()]
    for name, kind in faults.items():
        assert any(server == f"{name}.py" and kind in reason for server, reason in reasons), reasons
    assert {server for server, _ in reasons} == {f"{name}.py" for name in faults}


def test_a_block_without_a_server_has_the_others_and_their_slices() -> None:
    slices = [slice_of(entry, "few", {"deliveries_per_s": entry}) for entry in (0, 1, 2)]
    block = block_of(["ant", "bee", "cow"], slices, failed={"2": "died"})
    rest = block.without({"bee"})
    assert [entry.name for entry in rest.entries] == ["ant", "cow"]
    assert [(each.entry, each.figures["deliveries_per_s"]) for each in rest.slices] == [(0, 0), (1, 2)]
    assert rest.failed == {"1": "died"}


def test_two_processes_cannot_make_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = results.create(simulated_run({"a": 1.0}, name="mine").info)
    held = harness("run", "--resume", "mine", folder=tmp_path)
    assert (held.returncode, held.stderr) == (2, "harness: mine is being made by another process\n")
    assert results.reopen(store.path)[0].path == store.path, "this process makes it"


def test_machines_that_have_gone_stay_in_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = results.create(simulated_run({"a": 1.0}).info)
    store.add_machines({"host1": MACHINE, "host2": MACHINE}, {"broadcast/a": "no compiler"})
    store.add_machines({"host3": MACHINE}, {})
    info = results.read(store.path).info
    assert (list(info.machines), info.unavailable) == (["host1", "host2", "host3"], {})
