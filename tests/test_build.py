"""`harness build`: one line per server; a missing tool is no failure; a build ends with the harness."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import anyio
import msgspec
import psutil
import pytest

from harness import plugins
from harness.conformance.check import CheckOptions, check
from harness.conformance.pool import Watcher
from harness.model import CheckResult
from tests.zoo import CONFORMING, command, harness, implementation, lines_of

MANIFEST = 'name = "{name}"\nspec = "broadcast"\nsource = "server.x"\nrun = ["x"]\nneeds = ["command:{need}"]\n{more}'
BUILD = 'build = ["sh", "-c", "{script}"]\n'


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "zillions" / "builds"


def declare(folder: Path, name: str, script: str = "", need: str = "sh") -> Path:
    created = folder / name
    created.mkdir()
    (created / "server.x").touch()
    more = BUILD.format(script=script) if script else ""
    (created / "impl.toml").write_text(MANIFEST.format(name=name, need=need, more=more))
    return created


def test_the_result_and_time_of_each_build_are_shown(tmp_path: Path, cache: Path) -> None:
    good = declare(tmp_path, "good", "echo built > {{build}}/x".replace("{{", "{").replace("}}", "}"))
    far = declare(tmp_path, "far", "exit 1", need="no-such-tool")
    plain = declare(tmp_path, "plain")
    ended = harness("build", good, far, plain, folder=tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    results = {line.split()[0]: " ".join(line.split()[1:]) for line in lines_of(ended.stdout)}
    assert re.fullmatch(r"built \d+\.\d s", results["good"])
    assert results["far"] == "unavailable: no-such-tool is not installed"
    assert results["plain"] == "nothing to build"
    (built,) = cache.iterdir()
    assert (built / "x").read_text() == "built\n"
    again = harness("build", good, folder=tmp_path)
    assert again.stdout.split() == ["good", "built", "before"]


def test_another_compiler_causes_a_new_build(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = declare(tmp_path, "mine", "cc-of-mine > {build}/x", need="cc-of-mine")
    for number in ("1", "2"):
        tools = tmp_path / f"tools-{number}"
        tools.mkdir()
        (tools / "cc-of-mine").write_text(f"#!/bin/sh\necho {number}\n")
        (tools / "cc-of-mine").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
        ended = harness("build", mine, folder=tmp_path)
        assert re.match(r"mine +built +\d", ended.stdout), ended.stdout + ended.stderr
        newest = max(cache.iterdir(), key=lambda folder: folder.stat().st_mtime_ns)
        assert (newest / "x").read_text() == f"{number}\n"


def test_variables_of_compilers_cause_a_new_build_and_those_of_other_machines_are_left_out(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GOOS", "GOARCH", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "RUSTFLAGS"):
        monkeypatch.delenv(name, raising=False)
    mine = declare(tmp_path, "mine", "echo $GOOS $CARGO_TARGET_DIR $RUSTFLAGS > {build}/x")
    assert "built before" not in harness("build", mine, folder=tmp_path).stdout
    monkeypatch.setenv("GOOS", "plan9")
    monkeypatch.setenv("CARGO_TARGET_DIR", "elsewhere")
    monkeypatch.setenv("RUSTFLAGS", "")
    assert "built before" in harness("build", mine, folder=tmp_path).stdout
    monkeypatch.setenv("RUSTFLAGS", "-O3")
    assert "built before" not in harness("build", mine, folder=tmp_path).stdout
    assert sorted((built / "x").read_text() for built in cache.iterdir()) == ["\n", "-O3\n"]


def test_a_failed_build_shows_the_compilers_output_and_the_others_are_built(tmp_path: Path, cache: Path) -> None:
    good = declare(tmp_path, "good", "true")
    bad = declare(tmp_path, "bad", "echo line 3: what is this; echo 1 error >&2; exit 7")
    none = tmp_path / "none"
    none.mkdir()
    (none / "server.x").touch()
    (none / "impl.toml").write_text(
        'name = "none"\nspec = "broadcast"\nsource = "server.x"\nrun = ["x"]\nbuild = ["no-such-compiler"]\n'
    )
    ended = harness("build", bad, none, good, "-j", "1", folder=tmp_path)
    assert ended.returncode == 3
    assert re.search(
        r"^bad +failed +\d+\.\d s +cannot be built: sh exited with status 7; its last words:\n"
        r" +line 3: what is this\n +1 error$",
        ended.stdout,
        re.MULTILINE,
    ), ended.stdout
    assert "no-such-compiler: No such file or directory" in ended.stdout
    assert re.search(r"^good +built ", ended.stdout, re.MULTILINE)
    assert [path.name.rpartition("-")[0] for path in cache.iterdir()] == ["broadcast-good"]


def test_several_servers_are_built_in_parallel(tmp_path: Path) -> None:
    # Each build waits for the other, so that sequential builds would never end.
    for name in ("one", "other"):
        os.mkfifo(tmp_path / f"{name}.fifo")
    first = declare(tmp_path, "one", f"echo > {tmp_path}/one.fifo; cat {tmp_path}/other.fifo")
    other = declare(tmp_path, "other", f"cat {tmp_path}/one.fifo; echo > {tmp_path}/other.fifo")
    ended = harness("build", first, other, "--jobs", "2", folder=tmp_path)
    assert ended.returncode == 0
    assert len(re.findall(r"^\w+ +built ", ended.stdout, re.MULTILINE)) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_builds_end_with_the_harness(tmp_path: Path, cache: Path, number: signal.Signals) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    slow = declare(tmp_path, "slow", f"sleep 1000 & echo $! $$ > {fifo}; wait")
    with subprocess.Popen(command("build", str(slow)), cwd=tmp_path, stderr=subprocess.PIPE) as process:
        pids = [int(word) for word in fifo.read_text().split()]
        children = [psutil.Process(pid) for pid in pids]
        process.send_signal(number)
        process.wait(240)
    _, alive = psutil.wait_procs(children, timeout=240)
    assert alive == []
    if number == signal.SIGTERM:
        assert process.returncode == 128 + signal.SIGTERM
        assert list(cache.iterdir()) == [], "an unfinished build is left over"


def test_a_build_leaves_no_process_behind(tmp_path: Path) -> None:
    """As compiler daemons are, which take memory and processor time from what is measured next."""
    mine = declare(tmp_path, "mine", "setsid sleep 300 > /dev/null 2>&1 & echo $! > ../pid; touch {build}/x")
    assert harness("build", mine, folder=tmp_path).returncode == 0
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


async def test_servers_are_built_while_others_are_checked(tmp_path: Path) -> None:
    """One server starts when the build of the other has begun, and that build ends when the first was checked."""
    script = "touch begun; while ! [ -e checked ]; do sleep 0.02; done; cp server.x {build}/x"
    source = declare(tmp_path, "slow", script) / "server.x"
    shutil.copy(CONFORMING, source)
    slow = msgspec.structs.replace(
        implementation(CONFORMING), name="slow", source=source, build=("sh", "-c", script), run=("{build}/x",)
    )
    wait = f"while ! [ -e {source.parent}/begun ]; do sleep 0.02; done; exec {CONFORMING} $0"
    first = msgspec.structs.replace(implementation(CONFORMING), name="first", run=("sh", "-c", wait))
    finished: list[str] = []

    def finish(result: CheckResult) -> None:
        finished.append(f"{result.implementation} {result.verdict}")
        (source.parent / "checked").touch()

    options = CheckOptions(keyword="an_empty_message_is_forwarded", jobs=1)
    with anyio.fail_after(120):
        await check([slow, first], [plugins.specs()["broadcast"]], options, Watcher(), finish)
    assert finished == ["first pass", "slow pass"]


def test_wrong_usage_is_status_2(tmp_path: Path) -> None:
    assert harness("build", folder=tmp_path).returncode == 2
    assert harness("build", "no_such_server", folder=tmp_path).returncode == 2
