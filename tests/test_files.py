"""Files and folders: output paths, names of any bytes, caches that cannot be used, other owners, changed sources."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import click
import msgspec
import pytest

from harness import results
from harness.commands import checking, options
from harness.commands.changed_sources import digests, set_aside_changed
from harness.conformance.check import CheckOptions, check
from harness.conformance.pool import Watcher, combine_results
from harness.errors import HarnessError, LaunchError
from harness.model import CaseResult, CheckResult, Evidence, Implementation, Level, Run, Verdict
from harness.plugins import ReportView, reporters
from harness.records import from_json, to_json, to_pretty_json
from harness.report import leaderboard
from harness.report.formats.json_junit import junit
from harness.report.progress import progress_bar
from harness.zoo import build, cache, machine
from harness.zoo.discover import select, specs_named
from harness.zoo.git import run_git
from tests.simulated_runs import run_of as simulated_run
from tests.simulated_runs import server as simulated_server
from tests.simulated_runs import trial
from tests.zoo import COMMAND_S, CONFORMING, command, harness, implementation, lines_of

QUICK = ("-k", "the_ready_line_names_the_address", "--jobs", "1")
MANIFEST = 'name = "built"\nspec = "broadcast"\nsource = "server.sh"\nrun = ["{build}/server"]\n'
BUILD = 'build = ["sh", "-c", "cp server.sh {build}/server"]\n'


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A folder with a conforming server that needs a build."""
    folder = tmp_path / "built"
    folder.mkdir()
    (folder / "server.sh").write_text(f'#!/bin/sh\nexec {CONFORMING} "$@"\n')
    (folder / "server.sh").chmod(0o755)
    (folder / "impl.toml").write_text(MANIFEST + BUILD)
    return folder


# --- output paths


@pytest.mark.parametrize(
    "words",
    [
        ["check", str(CONFORMING), "--json"],
        ["run", str(CONFORMING), "--profile", "smoke", "--junit"],
        ["selftest", "--json"],
        ["report", "--pages"],
    ],
    ids=lambda words: words[0],
)
def test_an_output_path_is_tried_before_anything_starts(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = harness(*words, "file/x", folder=tmp_path)
    assert "file/x cannot be written: Not a directory" in ended.stderr
    assert len(lines_of(ended.stderr)) == 1
    assert (ended.returncode, ended.stdout) == (2, "")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", ["no/such/folder/x", ".", "file/x", "/proc/x", "n" * 300, "loop"])
def test_a_file_that_cannot_be_written_is_wrong_usage(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(click.BadParameter, match="cannot be written: "):
        options.FILE.convert(name, None, None)
    if name not in (".", "no/such/folder/x"):  # a folder is created
        with pytest.raises(click.BadParameter, match="cannot be written: "):
            options.FOLDER.convert(name, None, None)


@pytest.mark.parametrize("name", ["/dev/null", "/dev/full", "/dev/stdout", "pipe", "new", "link"])
def test_a_device_or_pipe_is_left_alone(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening a pipe waits for its reader, and closing it is the end for that reader."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    assert options.FILE.convert(name, None, None) == Path(name)
    assert not (tmp_path / "new").exists()


def test_a_path_that_was_tried_is_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("old")
    (tmp_path / "link.json").symlink_to("new.json")
    for name in ("old.json", "link.json", "other.json"):
        assert harness("check", "asynccio", "--json", name, folder=tmp_path).returncode == 2
    assert (tmp_path / "old.json").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.json", "old.json"]


def test_a_report_that_cannot_be_written_later_costs_no_other_and_no_verdict(tmp_path: Path) -> None:
    """Writing to /dev/full fails only at the end."""
    words = ("check", CONFORMING, *QUICK, "--json", "/dev/full", "--junit", "verdicts.xml")
    ended = harness(*words, folder=tmp_path)
    assert ended.stdout.split()[:2] == ["server.py", "pass"]
    assert lines_of(ended.stderr) == ["harness: /dev/full cannot be written: No space left on device"]
    assert ended.returncode == 3
    assert "<testcase" in (tmp_path / "verdicts.xml").read_text("utf-8")


# --- nothing to judge


def case(verdict: Verdict, level: Level = Level.MUST, message: str = "") -> CaseResult:
    return CaseResult(
        implementation="ant",
        spec="broadcast",
        id="x",
        requirements=("BC-X-1",),
        level=level,
        verdict=verdict,
        message=message,
    )


@pytest.mark.parametrize(
    ("cases", "verdict", "message"),
    [
        ([], Verdict.UNKNOWN, "nothing was judged: no case ran"),
        (
            [case(Verdict.UNSUPPORTED, message="no IPv6")],
            Verdict.UNKNOWN,
            "nothing was judged: 1 of 1 cases cannot run here (no IPv6)",
        ),
        (
            [case(Verdict.INFO, Level.INFO), case(Verdict.UNSUPPORTED, message="no IPv6")],
            Verdict.UNKNOWN,
            "nothing was judged: 1 of 2 cases cannot run here (no IPv6), 1 of 2 cases only report",
        ),
        ([case(Verdict.UNKNOWN, Level.SHOULD)], Verdict.UNKNOWN, ""),
        ([case(Verdict.ERROR, Level.SHOULD), case(Verdict.INFO, Level.INFO)], Verdict.UNKNOWN, ""),
        ([case(Verdict.WARN, Level.SHOULD)], Verdict.PASS, ""),
        ([case(Verdict.INFO, Level.INFO), case(Verdict.PASS)], Verdict.PASS, ""),
        ([case(Verdict.FAIL), case(Verdict.UNSUPPORTED)], Verdict.FAIL, ""),
    ],
)
def test_a_check_that_judges_nothing_has_no_verdict(cases: list[CaseResult], verdict: Verdict, message: str) -> None:
    result = combine_results(simulated_server("ant"), cases)
    assert result.verdict is verdict
    assert result.message.startswith(message) if message else not result.message


@pytest.mark.parametrize(
    ("verdict", "tag", "counts"),
    [(Verdict.UNKNOWN, "error", ("1", "1", "0")), (Verdict.UNSUPPORTED, "skipped", ("1", "0", "1"))],
)
def test_a_server_that_no_case_ran_on_is_no_empty_suite(verdict: Verdict, tag: str, counts: tuple[str, ...]) -> None:
    result = CheckResult(implementation="a\0", spec="broadcast", verdict=verdict, message="cannot be built:\0")
    (suite,) = ElementTree.fromstring(junit([result]))
    assert (suite.get("tests"), suite.get("errors"), suite.get("skipped")) == counts
    (started,) = suite
    assert (started.get("name"), started.get("classname")) == ("start", "broadcast.a\ufffd")
    (outcome,) = started
    assert (outcome.tag, outcome.get("message")) == (tag, "cannot be built:\ufffd")
    passed = CheckResult(implementation="a", spec="b", verdict=Verdict.PASS)
    assert len(ElementTree.fromstring(junit([passed]))[0]) == 0


def test_a_run_as_junit_says_why_servers_were_not_checked() -> None:
    info = msgspec.structs.replace(
        simulated_run({"a": 1.0, "b": 2.0, "c": 3.0}).info,
        unbuilt={"broadcast/a": "no such header"},
        unavailable={"broadcast/b": "no compiler"},
    )
    suites = ElementTree.fromstring(reporters()["junit"].render(Run(info, []), ReportView()))
    outcomes = {suite.get("name"): next(suite.iter("testcase"))[0] for suite in suites}
    assert {name: (outcome.tag, outcome.get("message")) for name, outcome in outcomes.items()} == {
        "broadcast.a": ("error", "no such header"),
        "broadcast.b": ("skipped", "no compiler"),
        "broadcast.c": ("skipped", "nothing was judged: no case ran"),
    }


def test_a_selection_of_cases_that_only_report_ends_in_status_3(tmp_path: Path) -> None:
    ended = harness("check", CONFORMING, "-k", "the_time_until_ready_is_reported", "--jobs", "1", folder=tmp_path)
    assert "nothing was judged" in ended.stdout
    assert ended.returncode == 3


def test_a_selection_in_one_of_several_specs_is_checked_there(tmp_path: Path) -> None:
    ended = harness("check", "asyncio", "-k", "subscribes_twice", "--jobs", "1", folder=tmp_path)
    assert "no case of broadcast matches" in ended.stdout
    assert "1 of 3 servers pass every MUST, 2 are unavailable" in ended.stdout
    assert ended.returncode == 0


# --- names


def test_names_of_any_bytes_are_checked_and_printed_with_escapes(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/sp ace \xff \x1b[31m"
    os.mkdir(folder)
    path = folder + b"/s\xe9rv er\x07"
    with open(path, "wb") as file:
        file.write(b'#!/bin/sh\nexec "%s" "$@"\n' % os.fsencode(CONFORMING))
    os.chmod(path, 0o755)
    words = [*command("check", "-k", "a_lone_client", "--json", "v.json", "--junit", "v.xml", "--jobs", "1")]
    paths = [b"./s\xe9rv er\x07", path + b"x"]  # the second one does not exist
    ended = subprocess.run(
        [*map(os.fsencode, words), *paths], cwd=folder, capture_output=True, text=True, timeout=COMMAND_S
    )
    assert r"s\xe9rv er\x07 pass    1/1" in ended.stdout, ended.stderr
    assert r"s\xe9rv er\x07x FAIL" in ended.stdout, ended.stderr
    assert "\x1b" not in ended.stdout + ended.stderr
    assert ended.returncode == 1
    with open(folder + b"/v.json", "rb") as file:
        assert {each["implementation"] for each in json.load(file)["results"]} == {
            r"s\xe9rv er\x07",
            r"s\xe9rv er\x07x",
        }


def test_records_keep_paths_of_any_bytes() -> None:
    server = Implementation(name="x", spec="y", run=("/a\udcff", "é"), source=Path("/b\udc80"))
    for data in (to_json(server), to_pretty_json(server)):
        assert json.loads(data)["run"] == ["/a\udcff", "é"]
        assert from_json(data, Implementation) == server
    with pytest.raises(msgspec.DecodeError):
        from_json(b'{"name": "x"', Implementation)
    with pytest.raises(msgspec.ValidationError):
        from_json(b'{"name": "\\udcff"}', Implementation)


# --- the cache


def test_a_relative_cache_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("relative", "./x", ""):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert cache.folder() == tmp_path / ".cache" / "zillions"
    monkeypatch.setenv("XDG_CACHE_HOME", "/absolute")
    assert cache.folder() == Path("/absolute/zillions")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "relative")
    with pytest.raises(cache.NoCache, match="set XDG_CACHE_HOME"):
        cache.folder()


def test_compilers_are_given_no_relative_cache(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    (built / "impl.toml").write_text(MANIFEST + 'build = ["sh", "-c", "echo $XDG_CACHE_HOME > {build}/server"]\n')
    assert harness("build", built, folder=tmp_path).returncode == 0
    (file,) = (tmp_path / ".cache" / "zillions" / "builds").glob("*/server")
    assert file.read_text() == f"{tmp_path}/.cache\n"
    assert not (tmp_path / "relative").exists()


@pytest.mark.parametrize("value", ["/dev/null", "/proc/nothing"])
def test_without_a_cache_servers_that_need_no_build_are_checked(
    value: str, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    ended = harness("check", built, CONFORMING, *QUICK, folder=tmp_path)
    assert re.search(r"server\.py +pass +(\d+)/\1", ended.stdout)
    assert f"built        unknown cannot be built: {value}/zillions/builds cannot be written (" in ended.stdout
    assert "set XDG_CACHE_HOME to" in ended.stdout
    assert (ended.returncode, ended.stderr) == (3, "")
    assert harness("list", folder=tmp_path).returncode == 0
    assert harness("serve", built, folder=tmp_path).returncode == 3


def test_an_unknown_user_without_a_home_can_check(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # what it returns for a user who is not known
    with pytest.raises(cache.NoCache, match="HOME is not set"):
        cache.folder()
    assert build.is_built(implementation(CONFORMING))
    needing = Implementation(
        name="x", spec="broadcast", source=built / "server.sh", build=("true",), run=("{build}/x",)
    )
    assert not build.is_built(needing)


async def test_a_cache_on_which_nothing_can_run_is_named(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    real = os.statvfs(tmp_path)
    mounted = os.statvfs_result((*real[:8], real.f_flag | os.ST_NOEXEC, *real[9:]))
    server = Implementation(
        name="x",
        spec="broadcast",
        source=built / "server.sh",
        build=("cp", "server.sh", "{build}/server"),
        run=("{build}/server",),
    )
    assert await build.try_build(server) == ""
    monkeypatch.setattr(os, "statvfs", lambda path: mounted)
    for each in (server, msgspec.structs.replace(server, name="y")):
        assert "is mounted with noexec: set XDG_CACHE_HOME" in await build.try_build(each)


async def test_an_executable_on_a_file_system_without_execution_is_no_fault_of_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = shutil.copy(CONFORMING, tmp_path)
    (server,) = select([str(file)], everything=False, spec="broadcast")
    assert build.is_built(server)
    real = os.statvfs(tmp_path)
    mounted = os.statvfs_result((*real[:8], real.f_flag | os.ST_NOEXEC, *real[9:]))
    monkeypatch.setattr(os, "statvfs", lambda path: mounted)
    (result,) = await check([server], specs_named("broadcast"), CheckOptions(smoke=True), Watcher(), lambda _: None)
    assert result.verdict is Verdict.UNKNOWN
    assert result.message.startswith(f"cannot be run: {file} is on a file system that is mounted with noexec; copy it")
    with pytest.raises(LaunchError, match="mounted with noexec"):
        await build.ensure_built(server)


async def test_builds_that_another_harness_may_use_stay(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    server = Implementation(
        name="x",
        spec="broadcast",
        source=built / "server.sh",
        build=("cp", "server.sh", "{build}/server"),
        run=("{build}/server",),
    )
    folders = []
    for text in ("one", "two", "three"):
        (built / "server.sh").write_text(text)
        assert await build.try_build(server) == ""
        folders.append(build.build_folder(server))
    assert all(folder.is_dir() for folder in folders)
    old = time.time() - build.STALE_S - 60
    os.utime(folders[0], (old, old))
    (built / "server.sh").write_text("four")
    assert await build.try_build(server) == ""
    assert [folder.is_dir() for folder in folders] == [False, True, True]


# --- scripts

FAILED = CaseResult(
    implementation="a_server",
    spec="broadcast",
    id="test_a_case",
    requirements=("BC-ORDER-1",),
    level=Level.MUST,
    verdict=Verdict.FAIL,
    evidence=Evidence(script="#!/bin/sh\n", file="a_script.py"),
)


def announced(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what is printed about a failure whose script goes to a folder."""
    result = CheckResult(implementation="a_server", spec="broadcast", verdict=Verdict.FAIL, cases=(FAILED,))
    with progress_bar("check") as bar:
        checking.announce(bar, result, width=400, scripts=folder)
    return capsys.readouterr().out


def test_scripts_whose_folder_cannot_be_written_go_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checking._temporary_scripts.cache_clear()
    assert f"script:      {tmp_path / 'good' / 'a_script.py'} reproduces it" in announced(tmp_path / "good", capsys)
    (tmp_path / "file").touch()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    text = announced(tmp_path / "file" / "scripts", capsys)
    (script,) = (tmp_path / "temporary").glob("*/a_script.py")
    assert f"{script} reproduces it" in text
    assert f"cannot be written (Not a directory): the scripts that reproduce failures are in {script.parent}\n" in text
    assert os.access(script, os.X_OK)
    checking._temporary_scripts.cache_clear()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    text = announced(tmp_path / "file" / "scripts", capsys)
    assert "nor can a temporary folder: there are no scripts that reproduce failures\n" in text
    assert "reproduces it" not in text


# --- git


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file to another user needs root")
def test_git_answers_about_a_checkout_that_belongs_to_another_user(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)
    for path in (tmp_path, tmp_path / ".git"):
        os.chown(path, 12345, 12345)
    plain = subprocess.run(["git", "rev-parse", "--git-dir"], cwd=tmp_path, capture_output=True, text=True)
    assert "dubious ownership" in plain.stderr
    assert run_git(["rev-parse", "--git-dir"], tmp_path).stdout == b".git\n"


def test_a_hook_of_git_does_not_name_another_repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    commit = machine.commit()
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
    assert machine.commit() == commit
    subprocess.run(["git", "rev-parse"], check=True)


# --- runs


def test_runs_that_start_in_the_same_moment_all_have_their_folder_and_one_is_the_latest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    info = simulated_run({"ant": 5e6}).info
    infos = [msgspec.structs.replace(info, id=f"run-{number:03}") for number in range(200)]
    with ThreadPoolExecutor(16) as threads:
        stores = list(threads.map(results.create, infos))
    assert {store.path.name for store in stores} == {each.id for each in infos}
    assert results.find(None).name in {each.id for each in infos}
    names = {path.name for path in (tmp_path / "results").iterdir()}
    assert names == {"latest", *(each.id for each in infos)}, "a temporary link was left"


def test_without_a_link_the_newest_run_is_the_latest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results" / "latest").mkdir(parents=True)  # a copy of a folder with links may look so
    info = simulated_run({"ant": 5e6}).info
    for number in ("1", "2"):
        results.create(msgspec.structs.replace(info, id=f"run-{number}"))
    assert results.find(None).name == results.find("latest").name == "run-2"


def test_a_folder_in_which_no_run_can_be_kept_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").touch()
    with pytest.raises(HarnessError, match=r"results/simulated cannot be written: .*; change to a folder"):
        results.create(simulated_run({"ant": 5e6}).info)


def test_a_run_that_is_resumed_notices_a_changed_server(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run = simulated_run({"ant": 5e6, "bee": 4e6}, blocks=3)
    trials = [trial(name, block) for name in ("ant", "bee") for block in range(3)]
    source = built / "server.sh"
    servers = tuple(
        msgspec.structs.replace(server, source=source if server.name == "ant" else None)
        for server in run.info.implementations
    )
    info = msgspec.structs.replace(run.info, implementations=servers, sources=digests(servers))
    store = results.create(info)
    for made in trials:
        store.add_trial(made)
    for block in run.blocks:
        store.add_block(block)
    (built / "README.md").write_text("documentation is no source")
    _, same = set_aside_changed(*results.reopen(store.path))
    assert len(same.trials) == 6
    assert capsys.readouterr().out == ""
    source.write_text("exit 1\n")
    again, left = set_aside_changed(*results.reopen(store.path))
    assert "ant (broadcast) has changed since this run began" in capsys.readouterr().out
    assert {each.plan.implementation for each in left.trials} == {"bee"}
    assert [[entry.name for entry in block.entries] for block in left.blocks] == [["bee"]] * 3
    assert results.read(store.path).blocks == left.blocks
    assert results.read(store.path).trials == left.trials
    assert (store.path / "superseded-trials.jsonl").read_bytes().count(b"\n") == 3
    assert (store.path / "superseded-blocks.jsonl").read_bytes().count(b"\n") == 3
    again.add_trial(trials[0])
    _, third = set_aside_changed(*results.reopen(store.path))
    assert len(third.trials) == 4, "it has not changed since it was resumed"


@pytest.mark.parametrize("line", [b'{"id":"\xff"}', b'{"more":' + b"[" * 5000 + b"]" * 5000 + b"}"])
def test_a_damaged_record_is_an_error_of_its_line(line: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        from_json(line, CaseResult)


def test_a_leaderboard_that_cannot_be_written_leaves_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"mine\n{leaderboard.BEGIN}\n{leaderboard.END}\n")
    before = readme.read_text()

    def fail(self: Path, text: str, encoding: str) -> int:
        self.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(HarnessError, match="cannot be written: No space left"):
        leaderboard.rewrite(readme, simulated_run({"a": 1.0, "b": 2.0}))
    assert readme.read_text() == before
    assert list(tmp_path.iterdir()) == [readme]
