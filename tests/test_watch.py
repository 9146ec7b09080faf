"""`harness check --watch`: a turn for every change, what failed first, and nothing left when it ends."""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from harness import plugins
from harness.commands.watching import Watch
from harness.conformance.check import CheckOptions
from harness.conformance.pool import Pool
from harness.errors import UsageError
from harness.model import Case, CaseResult, Implementation, Level, Verdict
from harness.processes import warden
from harness.zoo.source_changes import WatchedPlace, watched_place
from tests.zoo import CONFORMING, command, harness

MOST_S = 120
QUICK = ("-k", "lone_client or ready_line_is_exact")
BROKEN = "#!/usr/bin/env python3\nimport sys\nprint('hello', flush=True)\n"
SILENT = (
    "#!/usr/bin/env python3\nimport signal\nfrom pathlib import Path\n"
    "Path(__file__).with_name('started').touch()\nsignal.pause()\n"
)


class Session:
    """A running `harness check --watch` whose output is read line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def turn(self) -> list[str]:
        """Return the lines of the next turn: those until it waits."""
        assert self.process.stdout
        lines: list[str] = []
        for line in self.process.stdout:
            lines.append(line.rstrip("\n"))
            if lines[-1].startswith("waiting for a change"):
                return lines
        raise AssertionError(f"it ended: {lines}")

    def end(self) -> int:
        """End it as Ctrl-C does; return its status, when none of its processes is left."""
        warden.become_subreaper()
        below = []
        for pid in warden.descendants(self.process.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                below.append(psutil.Process(pid))
        self.process.send_signal(signal.SIGINT)
        self.process.communicate()
        _, alive = psutil.wait_procs(below, timeout=MOST_S)
        assert alive == []
        return self.process.returncode


@contextlib.contextmanager
def session(folder: Path, *words: str) -> Iterator[Session]:
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder.parent / "cache")}
    with subprocess.Popen(
        command("check", "--watch", *words), cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        guard = threading.Timer(MOST_S, process.kill)
        guard.start()
        try:
            yield Session(process)
        finally:
            guard.cancel()
            process.kill()


def write(file: Path, text: str) -> None:
    """Write an executable as an editor does: a new file takes the place of the old one."""
    new = file.with_name(f".{file.name}.new")
    new.write_text(text)
    new.chmod(0o755)
    new.replace(file)


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """A server that conforms."""
    folder = tmp_path / "mine"
    folder.mkdir()
    return Path(shutil.copy(CONFORMING, folder / "server.py"))


def test_each_change_is_a_turn_and_the_last_one_gives_the_status(server: Path) -> None:
    good = server.read_text()
    with session(server.parent, "./server.py", *QUICK) as watching:
        first = watching.turn()
        assert first[0].startswith("turn 1, ")
        assert first[1].startswith("server.py    pass    2/2, ")
        assert first[-1] == "waiting for a change of server.py; Ctrl-C ends"
        (server.parent / "notes.txt").write_text("not the server's")
        write(server, BROKEN)
        second = watching.turn()
        assert second[0].startswith("turn 2, ")
        assert second[1].startswith("server.py    FAIL ")
        assert "\x1b" not in "".join(first + second)
        write(server, good)
        assert watching.turn()[1].startswith("server.py    pass    2/2, ")
        assert watching.end() == 0


def test_a_turn_that_fails_gives_status_1(server: Path) -> None:
    write(server, BROKEN)
    with session(server.parent, "./server.py", *QUICK) as watching:
        watching.turn()
        assert watching.end() == 1


def test_a_build_error_is_shown_and_waited_for(server: Path) -> None:
    manifest = (
        'name = "mine"\nspec = "broadcast"\nsource = "server.py"\n'
        'build = ["sh", "-c", "! grep nonsense server.py && cp server.py {build}/"]\nrun = ["{build}/server.py"]\n'
    )
    (server.parent / "impl.toml").write_text(manifest)
    good = server.read_text()
    write(server, "nonsense\n")
    with session(server.parent, ".", *QUICK) as watching:
        first = watching.turn()
        assert first[1].startswith("mine         unknown cannot be built: sh exited with status 1")
        assert first[2].strip() == "nonsense"
        write(server.with_name("impl.toml"), manifest.replace("source", "sauce"))
        assert 'impl.toml, line 3: unknown key "sauce"' in watching.turn()[1]
        write(server.with_name("impl.toml"), manifest)
        assert "cannot be built" in watching.turn()[1]
        write(server, good)
        assert watching.turn()[1].startswith("mine         pass    2/2, ")
        assert watching.end() == 0


def test_a_change_during_a_turn_begins_the_next_one(server: Path) -> None:
    good = server.read_text()
    write(server, SILENT)  # the turn would take as long as a server may take to become ready
    with session(server.parent, "./server.py", *QUICK) as watching:
        wait_for_server(watching, server)
        write(server, good)
        lines = watching.turn()
        assert [line.split(",")[0] for line in lines if line.startswith("turn")] == ["turn 1", "turn 2"]
        assert lines[-2].startswith("server.py    pass    2/2, ")


def test_ctrl_c_during_the_first_turn_leaves_nothing_and_no_verdict(server: Path) -> None:
    write(server, SILENT)
    with session(server.parent, "./server.py", *QUICK) as watching:
        wait_for_server(watching, server)
        assert watching.end() == 3


def wait_for_server(watching: Session, server: Path) -> None:
    """Wait until the silent server runs: its file has been read, so that a change of it is one for the next turn."""
    while not server.with_name("started").exists():
        assert watching.process.poll() is None
        time.sleep(0.02)


def test_a_terminal_shows_one_turn(server: Path) -> None:
    ours, terminal = pty.openpty()
    process = subprocess.Popen(
        command("check", "--watch", "./server.py", *QUICK), cwd=server.parent, stdout=terminal, stderr=terminal
    )
    os.close(terminal)  # the process has it: when it ends, reading fails
    guard = threading.Timer(MOST_S, process.kill)
    guard.start()
    try:
        shown = b""
        while b"Ctrl-C ends" not in shown:
            shown += os.read(ours, 4096)
        assert b"\x1b[2J" in shown.partition(b"turn 1")[0]
        process.send_signal(signal.SIGINT)
        assert process.wait(MOST_S) == 0
    finally:
        guard.cancel()
        process.kill()
        os.close(ours)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["asyncio"], "--watch takes one server of one spec, and these are asyncio of broadcast, channels, groupchat"),
        (["asyncio", "--spec", "broadcast", "--full"], "--watch excludes --fuzz, --full"),
        (["./nothing/at/all"], "nothing/at is no folder"),
        (["asyncio", "--spec", "broadcast", "-k", "no_such_case"], "no case of broadcast matches"),
    ],
)
def test_wrong_usage_is_one_sentence_and_status_2(words: list[str], sentence: str, tmp_path: Path) -> None:
    ended = harness("check", "--watch", *words, folder=tmp_path)
    assert sentence in ended.stderr
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1), ended.stderr


# --- which cases run, and which files count


def case(name: str, *, smoke: bool = False, slow: bool = False) -> Case:
    return Case(id=name, number=1, requirements=("BC-END-1",), level=Level.MUST, smoke=smoke, slow=slow)


class FakePool(Pool):
    """Answers as told, and keeps in which order it was asked."""

    def __init__(self, cases: Sequence[Case], failing: set[str]) -> None:
        super().__init__(plugins.specs()["broadcast"], 1, cases=tuple(cases))
        self.failing, self.asked = failing, list[list[str]]()

    async def check(
        self, implementations: Sequence[Implementation], watcher: object, **more: object
    ) -> list[CaseResult]:
        done: list[CaseResult] = list(more.get("done", ()))  # type: ignore[call-overload]
        plan: Callable[[Implementation, Sequence[Case]], Sequence[Sequence[Case]]] | None = more.get("plan")  # type: ignore[assignment]
        known = {result.id for result in done}
        left = [case for case in self.cases if case.id not in known]
        chosen = [case for (case,) in plan(implementations[0], left)] if plan else left
        self.asked.append([case.id for case in chosen])
        return done + [self.result(case) for case in chosen]

    def result(self, case: Case) -> CaseResult:
        return CaseResult(
            implementation="mine",
            spec="broadcast",
            id=case.id,
            requirements=case.requirements,
            level=case.level,
            verdict=Verdict.FAIL if case.id in self.failing else Verdict.PASS,
        )


async def test_what_failed_comes_first_then_the_smoke_cases_then_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mine = Implementation(name="mine", spec="broadcast", run=("/bin/true",))
    watching = Watch(lambda: mine, plugins.specs()["broadcast"], CheckOptions())
    pool = FakePool([case("a"), case("b", smoke=True), case("c"), case("d", smoke=True)], {"c"})
    await watching.check(pool)
    assert pool.asked == [["b", "d"], ["a", "c"]]
    assert watching.status == 1
    pool.asked.clear()
    await watching.check(pool)  # it fails again, so that the rest need not run
    assert pool.asked == [["c", "b", "d"]]
    pool.failing.clear()
    pool.asked.clear()
    await watching.check(pool)
    await watching.check(pool)
    assert pool.asked == [["c", "b", "d"], ["a"], ["b", "d"], ["a", "c"]]
    assert watching.status == 0


@pytest.mark.parametrize("smoke", [True, False])  # with --smoke, and with -k where it selects no smoke case
async def test_what_failed_comes_first_also_where_every_case_runs_at_once(
    smoke: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mine = Implementation(name="mine", spec="broadcast", run=("/bin/true",))
    watching = Watch(lambda: mine, plugins.specs()["broadcast"], CheckOptions())
    cases = [case("a", smoke=smoke), case("b", smoke=smoke, slow=True), case("c", smoke=smoke)]
    pool = FakePool(cases, {"c"})
    await watching.check(pool)
    await watching.check(pool)
    assert pool.asked == [["b", "a", "c"], ["c", "b", "a"]]


async def test_a_declaration_in_python_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "declared_here" / "mine_impl"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    (folder / "server.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(plugins.ROOMS, "harness_implementations", ("declared_here",))
    plugins.reload_servers(folder)
    seen: list[str] = []

    def declare(summary: str) -> None:
        (folder / "__init__.py").write_text(
            "from pathlib import Path\nfrom harness.plugins import Implementation, hookimpl\n"
            "@hookimpl\ndef harness_implementations():\n"
            "    return [Implementation(name='mine', spec='broadcast', language='Python', style='callbacks',\n"
            f"        category='idiomatic', source=Path(__file__).with_name('server.py'), summary={summary})]\n"
        )

    def choose() -> Implementation:
        (server,) = [each for each in plugins.implementations() if each.name == "mine"]
        seen.append(server.summary)
        return server

    try:
        declare("'before'")
        watching = Watch(choose, plugins.specs()["broadcast"], CheckOptions())
        pool = FakePool([case("a", smoke=True)], set())
        declare("'another one'")
        await watching.check(pool)
        declare("'an unfinished line")
        await watching.check(pool)
        assert watching.status == 2
        declare("'after'")
        await watching.check(pool)
        assert seen == ["before", "another one", "after"]
        assert watching.status == 0
    finally:
        plugins.reload_servers(folder)


def test_generated_and_hidden_files_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "broadcast.c").touch()
    place = watched_place(Implementation(name="x", spec="broadcast", source=tmp_path / "broadcast.c"))
    assert place == WatchedPlace(tmp_path.resolve())
    for name in ("broadcast.c", "src/part.c", "impl.toml"):
        assert place.has(place.folder / name)
    for name in ("target/x", "__pycache__/x.pyc", ".broadcast.c.swp", ".git/index", "broadcast.c~", "node_modules/x/y"):
        assert not place.has(place.folder / name)


def test_only_the_executable_itself_counts_where_there_is_no_source(tmp_path: Path) -> None:
    place = watched_place(Implementation(name="x", spec="broadcast", run=("/usr/bin/env", str(tmp_path / "server"))))
    assert place.file == Path("/usr/bin/env")
    place = watched_place(Implementation(name="x", spec="broadcast", run=(str(tmp_path / "server"),)))
    assert place.has(tmp_path.resolve() / "server")
    assert not place.has(tmp_path.resolve() / "other")
    with pytest.raises(UsageError, match="no source or executable"):
        watched_place(Implementation(name="x", spec="broadcast", run=("server",)))
