"""Hostile servers in a real sandbox: what they try fails, is reported where it can be known, and harms nothing."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from harness import plugins
from harness.commands import sandboxing
from harness.errors import HarnessError, LaunchError
from harness.processes import sandbox, sandbox_limits, warden
from harness.servers.launch import launch, listening_addresses
from harness.servers.sandboxed import start_in
from harness.toolchain import Tool
from harness.zoo import build, cache, manifests, sandboxes
from harness.zoo.discover import why_unavailable
from harness.zoo.toolchains import needs
from tests.zoo import CONFORMING, MISFITS, harness, implementation

HOSTILE = MISFITS.parent / "hostile"
KEY = "a private key of the user"
PLANTED = "planted-by-a-hostile-server"
PLAIN = ("--unshare-user", "--unshare-pid", "--unshare-net", "--ro-bind", "/", "/", "--proc", "/proc", "true")


def why_no_bubblewrap() -> str:
    """Return why this machine has none that works; a sandbox that does not work where it does is a fault."""
    if not (program := shutil.which("bwrap")):
        return "bubblewrap is not installed"
    ended = subprocess.run([program, *PLAIN], capture_output=True, text=True)
    return ended.stderr if ended.returncode else ""


IMPOSSIBLE = why_no_bubblewrap()
needs_sandbox = pytest.mark.skipif(bool(IMPOSSIBLE), reason=f"no sandbox here: {IMPOSSIBLE}")


@pytest.fixture
def confined(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let servers run in a sandbox; nothing of it is left afterwards."""
    if IMPOSSIBLE:
        pytest.skip(f"no sandbox here: {IMPOSSIBLE}")
    monkeypatch.setenv(sandbox.VARIABLE, "on")
    yield
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:  # a process of bwrap that ended after its parent, in another harness
            pass
    assert warden.descendants(os.getpid()) == []


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a private key."""
    key = tmp_path / ".ssh" / "id_rsa"
    key.parent.mkdir()
    key.write_text(KEY)
    monkeypatch.setenv("HOME", str(tmp_path))
    return key


async def why_not_started(name: str) -> str:
    with pytest.raises(LaunchError) as caught:
        async with launch(implementation(HOSTILE / name)):
            pass
    return str(caught.value)


def removed(*files: Path) -> list[Path]:
    """Remove those of these files that exist, so that the next run does not find them; return them."""
    found = [file for file in dict.fromkeys(files) if file.exists()]
    for file in found:
        file.unlink()
    return found


async def test_the_keys_of_the_user_are_not_there(confined: None, keys: Path) -> None:
    failure = await why_not_started("reads_keys.py")
    assert f"it tried to read {keys}, which its sandbox hides" in failure
    assert KEY not in failure


async def test_nothing_is_written_beside_a_server(confined: None) -> None:
    try:
        failure = await why_not_started("writes_beside_itself.py")
    finally:
        planted = removed(HOSTILE / "planted")
    assert "it tried to write where its sandbox is read-only" in failure
    assert not planted


async def test_home_and_temporary_folders_are_private(confined: None, keys: Path) -> None:
    async with launch(implementation(HOSTILE / "writes_outside.py")) as server:
        assert server.status is None
    folders = (keys.parent.parent, Path(tempfile.gettempdir()), Path("/tmp"), Path("/dev/shm"))
    assert not removed(*(folder / PLANTED for folder in folders))


async def test_root_cannot_change_the_kernel(confined: None) -> None:
    failure = await why_not_started("changes_the_kernel.py")
    assert re.search("Read-only file system|Permission denied", failure)


async def test_kill_reaches_nothing_outside(confined: None) -> None:
    async with (
        launch(implementation(CONFORMING)) as bystander,
        launch(implementation(HOSTILE / "kills_all.py")) as server,
    ):
        assert server.status is None
        assert bystander.status is None


async def test_a_full_disk_is_only_its_own(confined: None) -> None:
    failure = await why_not_started("fills_the_disk.py")
    assert "it filled the private folders of its sandbox" in failure


async def test_memory_is_bounded(confined: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_limits, "MEMORY_BYTES", 64 * sandbox.MIB)
    failure = await why_not_started("uses_all_memory.py")
    assert "was ended by SIGKILL (it used over 64 MiB of memory, which its sandbox does not allow)" in failure


async def test_the_number_of_processes_is_bounded(confined: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_limits, "PROCESSES", 50)
    failure = await why_not_started("forks_without_end.py")
    assert "it had over 50 processes, which its sandbox does not allow" in failure


async def test_tokens_in_variables_are_not_there(confined: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither among its own variables nor among those of bwrap, which is process 1."""
    for name in ("GITHUB_TOKEN", "http_proxy"):
        monkeypatch.setenv(name, "a-token-of-the-user")
    failure = await why_not_started("prints_tokens.py")
    assert failure.endswith("its last words: tokens: []")


@needs_sandbox
def test_where_bubblewrap_works_there_is_a_sandbox() -> None:
    assert sandbox.why_impossible() == ""


@needs_sandbox
@pytest.mark.parametrize(
    ("name", "tried"),
    [
        ("connects_out", "it tried to connect to another machine"),
        ("connects_out_silently", "it, or a server beside it, tried to connect to another machine"),
    ],
)
def test_no_other_machine_can_be_reached(name: str, tried: str, tmp_path: Path) -> None:
    ended = harness("check", HOSTILE / f"{name}.py", "--smoke", "--sandbox", "on", folder=tmp_path, columns=200)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert tried in ended.stdout


async def test_a_server_is_observed_as_without_a_sandbox(confined: None) -> None:
    """Its pid, resources, sockets, signals and exit status are those of the server, not of what is around it."""
    async with launch(implementation(CONFORMING)) as server:
        used = server.resource_usage()
        assert used and used.processes == used.threads == 1
        assert psutil.Process(server.pid).cmdline()[-1] == str(server.address)
        assert listening_addresses(server) == [str(server.address)]
        stopped = await server.stop()
    assert (stopped.status, stopped.killed, stopped.left_behind) == (0, False, [])


async def test_a_server_inherits_no_descriptor(confined: None, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = []
    with tempfile.TemporaryFile() as inherited:
        os.set_inheritable(inherited.fileno(), True)
        for setting in ("on", "off"):
            monkeypatch.setenv(sandbox.VARIABLE, setting)
            async with launch(implementation(CONFORMING)) as server:
                numbers.append(psutil.Process(server.pid).num_fds())
    assert numbers[0] == numbers[1]


async def test_a_signal_that_ended_a_server_is_known(confined: None) -> None:
    async with launch(implementation(CONFORMING)) as server:
        stopped = await server.stop(signal.SIGKILL)
    assert (stopped.status, stopped.killed) == (-signal.SIGKILL, False)


async def test_a_server_that_ignores_sigterm_is_killed(confined: None) -> None:
    async with launch(implementation(MISFITS / "ignores_sigterm.py")) as server:
        stopped = await server.stop(grace_s=0.3)
    assert (stopped.status, stopped.killed) == (-signal.SIGKILL, True)


async def test_what_a_server_leaves_behind_is_reported_and_killed(confined: None) -> None:
    async with launch(implementation(MISFITS / "forks_a_child.py")) as server:
        stopped = await server.stop(grace_s=0.1)
    assert len(stopped.left_behind) == 1
    assert "forks_a_child.py" in stopped.left_behind[0]


@pytest.mark.parametrize(
    ("name", "happened"),
    [
        ("exits_at_once.py", "exited with status 3 before its ready line"),
        ("dies_of_a_signal.py", "was ended by SIGSEGV before its ready line"),
        ("closes_stdout.py", "closed its standard output before its ready line, but is still running"),
        ("not_executable.py", "is not executable; make it executable"),
        ("not_a_program", "expected an executable for this machine"),
        ("is_not_there", "cannot be started: there is no file"),
    ],
)
async def test_a_failed_start_is_explained(confined: None, name: str, happened: str) -> None:
    with pytest.raises(LaunchError, match=re.escape(happened)):
        async with launch(implementation(MISFITS / name)):
            pass


async def test_a_server_in_the_home_is_seen_alone(confined: None, keys: Path) -> None:
    """Its folder is the home, so that only its file is shown."""
    server = keys.parent.parent / "server"
    server.write_text("#!/bin/sh\nls -A ~ >&2\nexit 1\n")
    server.chmod(0o755)
    with pytest.raises(LaunchError, match=r"its last words: server$"):
        async with launch(implementation(server)):
            pass


def test_a_sandbox_that_cannot_be_made_is_no_fault_of_the_server(confined: None) -> None:
    broken = sandbox.Sandbox(readable=[Path("/is/not/there")])
    with (
        open(os.devnull, "wb") as stdout,
        pytest.raises(HarnessError, match=r"there is no sandbox: bwrap: .*/is/not/there"),
    ):
        start_in(broken, ["/bin/true"], stdout.fileno(), os.environ)


def declared(folder: Path, script: str) -> Path:
    """Declare a server with a build, in a checkout of its own; return its folder."""
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "config").touch()
    (folder / "server.x").touch()
    (folder / "impl.toml").write_text(
        f'name = "{folder.name}"\nspec = "broadcast"\nsource = "server.x"\nrun = ["x"]\n'
        f'build = ["sh", "-c", "{script}; test ! -e .git/config || exit 9"]\n'
    )
    return folder


async def test_the_disk_that_a_build_fills_is_bounded(
    confined: None, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would write half a GiB, and then wait."""
    monkeypatch.setattr(sandbox_limits, "DISK_BYTES", 2 * sandbox.MIB)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    script = "for i in $(seq 512); do head -c 1048576 /dev/zero > {build}/$i; sleep 0.02; done; sleep 20"
    (server,) = manifests.read(declared(tmp_path / "filler", script) / manifests.FILE)
    reason = await build.try_build(server)
    assert "it wrote over 2 MiB, which its sandbox does not allow" in reason
    assert list((tmp_path / "cache" / "zillions" / "builds").iterdir()) == []


def test_a_build_writes_only_its_result(confined: None, keys: Path, tmp_path: Path) -> None:
    good = declared(tmp_path / "good", f"echo built > {{build}}/x; test ! -e {keys}")
    bad = declared(tmp_path / "bad", "echo planted > planted || exit 8")
    ended = harness("build", good, bad, "--sandbox", "on", folder=tmp_path, columns=200)
    assert re.search(r"^good +built", ended.stdout, re.MULTILINE), ended.stdout + ended.stderr
    assert "Read-only file system" in ended.stdout
    assert not (bad / "planted").exists()
    assert [file.read_text() for file in (tmp_path / ".cache").rglob("x")] == ["built\n"]


def test_the_commands_by_which_tools_are_found_run_in_the_sandbox(confined: None, keys: Path, tmp_path: Path) -> None:
    """A stranger's manifest may name any."""
    planted = tmp_path / "planted"
    tool = Tool(check=("sh", "-c", f"test ! -e {keys} && touch {planted}"), version=("sh", "-c", "echo 1.2"))
    server = msgspec.structs.replace(implementation(CONFORMING), needs=("thing:x",), tools={"thing:x": tool})
    (status,) = needs.survey([server])
    assert (status.why_missing, status.version) == ("", "1.2"), "it has an empty home, in which it may write"
    assert not planted.exists()


def test_a_build_that_stands_within_a_word_is_shown(keys: Path) -> None:
    built = cache.builds() / "broadcast-mine-0123456789abcdef"
    (built / "classes").mkdir(parents=True)
    server = msgspec.structs.replace(implementation(CONFORMING), build=("x",), run=("java", "-cp", "{build}/*"))
    assert built in sandboxes.of_server(server, ["java", "-cp", f"{built}/classes:{built}/lib/*"]).readable


def test_a_token_in_a_checkout_is_hidden(tmp_path: Path) -> None:
    """The checkout of a workflow has one in .git/config."""
    (tmp_path / ".git").mkdir()
    server = tmp_path / "servers" / "mine"
    server.parent.mkdir()
    server.touch()
    shown = sandboxes.of_server(implementation(server), [str(server)])
    assert tmp_path in shown.readable
    assert tmp_path / ".git" in shown.hidden


@needs_sandbox
@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["asyncio", "threads", "c_epoll", "go", "java_nio", "node", "erlang"])
def test_the_usual_servers_pass_in_a_sandbox(name: str, tmp_path: Path) -> None:
    server = next(each for each in plugins.implementations() if (each.spec, each.name) == ("broadcast", name))
    if reason := why_unavailable(server):
        pytest.skip(reason)
    ended = harness("check", name, "--spec", "broadcast", "--smoke", "--sandbox", "on", folder=tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_path_is_confined_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "why_impossible", lambda: "")
    monkeypatch.setenv(sandbox.VARIABLE, "off")
    stranger = implementation(CONFORMING)
    known = next(iter(plugins.implementations()))
    declared_elsewhere = msgspec.structs.replace(known, source=Path("/elsewhere/server.x"))
    for setting, servers, expected in [
        ("auto", [stranger, known], True),
        ("auto", [known], False),
        ("auto", [declared_elsewhere], True),
        ("off", [stranger], False),
        ("on", [known], True),
    ]:
        sandboxing.decide(setting, servers)
        assert sandbox.is_on() is expected, (setting, servers)


def test_where_there_is_no_sandbox(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sandbox, "why_impossible", lambda: "it is Tuesday")
    monkeypatch.setenv(sandbox.VARIABLE, "off")
    sandboxing.decide("auto", [implementation(CONFORMING)])
    assert not sandbox.is_on()
    assert "it is Tuesday" in capsys.readouterr().err
    with pytest.raises(HarnessError, match="there is no sandbox here: it is Tuesday"):
        sandboxing.decide("on", [])


def test_without_bubblewrap_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert sandbox.why_impossible.__wrapped__() == "bwrap is not installed: apt-get install bubblewrap"
