"""Machines and shells unlike those of a developer: many processors, few descriptors, full disks, strange variables."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from harness import addresses
from harness.addresses import Address, few_may_wait, free_address, has_ipv6
from harness.commands import run_command
from harness.commands.checking import cut_short
from harness.errors import HarnessError, LaunchError, ReaderLeft, UsageError, first_of
from harness.model import CaseResult, Implementation, Level, Verdict
from harness.processes import sandbox, warden
from harness.results import Store
from harness.servers import resources
from harness.servers.process import spawn, start
from harness.servers.resources import DESCRIPTORS, descriptors_ran_out
from harness.zoo.source_changes import WatchedPlace, changes
from tests.zoo import MUTANTS, command, implementation

# --- many processors

OF_256_PROCESSORS = """
import importlib, os, sys
os.cpu_count = lambda: 256
command = importlib.import_module(f"harness.commands.{sys.argv[1]}_command").command
print(command.make_context(sys.argv[1], []).params["jobs"])
"""


@pytest.mark.parametrize("name", ["check", "run", "build", "selftest"])
def test_a_machine_may_have_more_processors_than_jobs_can_be_asked_for(name: str) -> None:
    ran = subprocess.run([sys.executable, "-c", OF_256_PROCESSORS, name], capture_output=True, text=True, check=False)
    assert ran.stdout == "64\n", ran.stderr


# --- ports


@pytest.fixture
def one_port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The only port that servers may get."""
    with free_address() as address:
        port = address.port
    monkeypatch.setattr(addresses, "server_ports", lambda first, last: [port])
    yield port


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "0.0.0.0", "::1", "::"])
def test_no_server_gets_a_port_that_another_program_has_at_any_address(host: str, one_port: int) -> None:
    if ":" in host and not has_ipv6():
        pytest.skip("this machine has no IPv6 loopback")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with (
        socket.create_server((host, one_port), family=family),
        pytest.raises(HarnessError, match="no port is free"),
        free_address(),
    ):
        pass
    with free_address() as address:
        assert address.port == one_port


def test_a_port_is_found_where_there_is_no_ipv6_and_nothing_can_be_reserved(
    monkeypatch: pytest.MonkeyPatch, one_port: int
) -> None:
    class OldSocket(socket.socket):
        def __init__(self, family: int, kind: int) -> None:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            super().__init__(family, kind)

        def bind(self, address: object) -> None:
            if self.family == socket.AF_UNIX:
                raise PermissionError(errno.EACCES, "Permission denied")
            super().bind(address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "socket", OldSocket)
    with free_address() as address:
        assert address.port == one_port


def test_without_descriptors_the_search_for_a_port_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(socket, "socket", refused)
    with (
        pytest.raises(HarnessError, match=r"no port on 127\.0\.0\.1 can be tried: Too many open files"),
        free_address(),
    ):
        pass


# --- few descriptors

HOLDER = "import os, sys; held = [os.dup(0) for _ in range(57)]; print(flush=True); sys.stdin.read()"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("ours", "its", "is_told"),
    [(60, 60, True), (64, 64, True), (70, 70, False), (DESCRIPTORS, DESCRIPTORS, False), (200, 60, False)],
)
def test_a_server_that_has_all_the_descriptors_of_this_machine(
    ours: int, its: int, is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has sixty; where it has another limit than this process, the case has given it that."""
    monkeypatch.setattr(resources, "descriptors_allowed", lambda pid=0: its if pid else ours)
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        assert bool(descriptors_ran_out(process.pid)) is is_told
        process.communicate()
        assert descriptors_ran_out(process.pid) == ""


def limited(which: int, value: int, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line with a limit of the kernel and on two cores; return what it printed and its status.

    On many cores the load has more processes, and libraries have more threads, each with a stack.
    """

    def limit() -> None:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
        resource.setrlimit(which, (value, value))

    return subprocess.run(
        command(*words),
        cwd=folder,
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
    )


def test_few_descriptors_are_not_held_against_a_server_that_needs_two_for_a_client(tmp_path: Path) -> None:
    server = MUTANTS / "conforming" / "two_descriptors_each.py"
    ran = limited(
        resource.RLIMIT_NOFILE, 300, "check", str(server), "-k", "two_hundred_at_once", "--jobs", "1", folder=tmp_path
    )
    assert ran.returncode == 3, ran.stdout + ran.stderr
    assert "only 300 descriptors are allowed here" in ran.stdout


def test_few_descriptors_of_the_load_are_not_held_against_a_server(tmp_path: Path) -> None:
    words = ("bench", str(MUTANTS / "server.py"), "--profile", "smoke", "--within", "4s")
    ran = limited(resource.RLIMIT_NOFILE, 28, *words, folder=tmp_path)
    assert ran.returncode == 3, ran.stdout + ran.stderr
    assert "the harness cannot connect client" in ran.stdout


def test_little_address_space_is_not_held_against_a_server_with_threads(tmp_path: Path) -> None:
    words = ("check", "threads", "--spec", "broadcast", "-k", "two_hundred_at_once", "--jobs", "1")
    ran = limited(resource.RLIMIT_AS, 300 * 2**20, *words, folder=tmp_path)
    assert ran.returncode == 3, ran.stdout + ran.stderr
    assert "only 300 MiB of address space are allowed here" in ran.stdout


def test_no_descriptors_for_the_harness_itself_are_one_sentence(tmp_path: Path) -> None:
    ran = limited(resource.RLIMIT_NOFILE, 20, "check", str(MUTANTS / "server.py"), "-k", "lone", folder=tmp_path)
    assert ran.returncode == 3
    assert "Too many open files" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


# --- a full disk


def case_result(verdict: Verdict) -> CaseResult:
    return CaseResult(
        implementation="it", spec="broadcast", id="a_case", requirements=("BC-X-1",), level=Level.MUST, verdict=verdict
    )


@pytest.mark.parametrize(
    ("error", "verdict", "status"),
    [
        (HarnessError("the disk is full"), Verdict.FAIL, 1),
        (HarnessError("the disk is full"), Verdict.PASS, 3),
        (ExceptionGroup("several", [HarnessError("the disk is full")]), Verdict.FAIL, 1),
        (ExceptionGroup("several", [HarnessError("the disk is full")]), Verdict.WARN, 3),
        (ReaderLeft(), Verdict.FAIL, 1),
        (ReaderLeft(), Verdict.PASS, 3),
        (UsageError("it is no name"), Verdict.FAIL, 2),
    ],
)
def test_a_check_that_ends_early_has_the_status_of_what_it_has_found(
    error: Exception, verdict: Verdict, status: int
) -> None:
    with (
        pytest.raises((HarnessError, ExceptionGroup)) as raised,
        cut_short(lambda: [case_result(Verdict.PASS), case_result(verdict)]),
    ):
        raise error
    first = first_of(raised.value)
    assert isinstance(first, HarnessError)
    assert first.exit_status == status


def test_a_run_has_failed_also_where_there_is_no_room_for_the_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def add_case(store: Store, result: CaseResult) -> None:
        if result.verdict is Verdict.FAIL:
            raise HarnessError("the disk is full")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Store, "add_case", add_case)
    servers = [str(MUTANTS / "broken" / f"{name}.py") for name in ("sender_left_out", "greets")]
    words = ["--spec", "broadcast", "--smoke", *servers]
    with pytest.raises((HarnessError, BaseExceptionGroup)) as raised:
        run_command.command.main(words, standalone_mode=False)
    first = first_of(raised.value)
    assert isinstance(first, HarnessError)
    assert (str(first), first.exit_status) == ("the disk is full", 1)


# --- variables that change what runtimes do

CHANGING = """
    PYTHONUNBUFFERED PYTHONOPTIMIZE PYTHON_GIL NODE_OPTIONS JAVA_TOOL_OPTIONS _JAVA_OPTIONS JDK_JAVA_OPTIONS GODEBUG
    GOGC GOMAXPROCS GOMEMLIMIT RUBYOPT PERL5OPT GHCRTS OCAMLRUNPARAM ERL_FLAGS ERL_AFLAGS MALLOC_ARENA_MAX
    MALLOC_PERTURB_ DOTNET_gcServer UV_THREADPOOL_SIZE
"""
HARMLESS = (
    "UV_CACHE_DIR",
    "UV_PYTHON",
    "HOME",
    "PATH",
    "PYTHONPATH",
    "JAVA_HOME",
    "DOTNET_ROOT",
    "GOPATH",
    "NODE_PATH",
    "LD_LIBRARY_PATH",
    "LANG",
)


async def test_a_server_gets_no_variable_that_changes_its_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*CHANGING.split(), *HARMLESS):
        monkeypatch.setenv(name, os.environ.get(name, "1"))
    shell = Implementation(name="shell", spec="broadcast", run=("/bin/sh", "-c", "exec /usr/bin/env"))
    async with spawn(shell, [], Address("127.0.0.1", 1)) as server:
        await server.wait()
        while not server.stdout.closed:
            await server.stdout.changed.wait()
    names = {line.partition("=")[0] for line in server.stdout.head.decode().splitlines()}
    assert names >= set(HARMLESS)
    assert names & set(CHANGING.split()) == set()


def test_a_path_without_a_shell_is_not_held_against_a_server(tmp_path: Path) -> None:
    (tmp_path / "python3").symlink_to(sys.executable)
    ran = subprocess.run(
        command("check", str(MUTANTS / "server.py"), "-k", "standard_input_closed", "--jobs", "1"),
        cwd=tmp_path,
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "warned" not in ran.stdout


# --- few connections that may wait


@pytest.mark.parametrize(("text", "sentence"), [("16\n", "only 16 connections may wait"), ("128\n", ""), (None, "")])
def test_few_connections_may_wait(
    text: str | None, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text:
        (tmp_path / "somaxconn").write_text(text)
    monkeypatch.setattr(addresses, "WAITING", str(tmp_path / "somaxconn"))
    assert few_may_wait(128).startswith(sentence)
    assert bool(few_may_wait(128)) == bool(sentence)


FEW_WAIT = 'ip link set lo up && echo 4 > /proc/sys/net/core/somaxconn && exec "$@"'


def in_namespaces(options: str, script: str, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line in namespaces of its own, after a script; skip the test where there are none."""
    probe = ["unshare", options, "sh", "-c", script, "sh", "true"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("such namespaces are not allowed here")
    enter = ["unshare", options, "sh", "-c", script, "sh", *command(*words)]
    return subprocess.run(enter, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not shutil.which("unshare") or not shutil.which("ip"), reason="needs namespaces")
def test_that_few_connections_may_wait_is_not_held_against_a_server(tmp_path: Path) -> None:
    words = ("check", str(MUTANTS / "server.py"), "-k", "lone or two_hundred_at_once or without_descriptors")
    ran = in_namespaces("-rn", FEW_WAIT, *words, "-v", folder=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "4 unsupported" in ran.stdout  # all but the one with a lone client


# --- another /proc


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs namespaces")
@pytest.mark.parametrize("name", ["check", "bench"])
def test_with_the_processes_of_another_namespace_nothing_is_measured_or_killed(name: str, tmp_path: Path) -> None:
    ran = in_namespaces("-rpf", 'exec "$@"', name, str(MUTANTS / "server.py"), folder=tmp_path)
    assert ran.returncode == 3, ran.stdout + ran.stderr
    assert ran.stderr.startswith("harness: /proc belongs to another PID namespace: this process is 1")
    assert len(ran.stderr.splitlines()) == 1


# --- strange shells


def test_a_folder_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    enter = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'
    words = ["sh", "-c", enter, "sh", *command("check", str(MUTANTS / "server.py"), "-k", "lone")]
    ran = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (3, "")
    assert ran.stderr == "harness: the current folder does not exist any more: change to one that does\n"


def test_python_shows_no_prompt_at_the_end(tmp_path: Path) -> None:
    ran = subprocess.run(
        command("explain", "no-such-thing"),
        cwd=tmp_path,
        env={**os.environ, "PYTHONINSPECT": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert len(ran.stderr.splitlines()) == 1


@pytest.mark.parametrize("error", [OSError("OS file watch limit reached. about [x]"), RuntimeError("no more watchers")])
async def test_a_folder_that_cannot_be_watched_is_one_sentence(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watchfiles = pytest.importorskip("watchfiles")

    async def refused(*arguments: object, **options: object) -> AsyncIterator[None]:
        raise error
        yield

    monkeypatch.setattr(watchfiles, "awatch", refused)
    reason = r"cannot be watched: (OS file watch limit reached\.|no more watchers); `sysctl"
    with pytest.raises(HarnessError, match=reason):
        await anext(changes(WatchedPlace(tmp_path)))


def test_a_manifest_that_is_a_pipe_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    manifest = tmp_path / "server" / "impl.toml"
    os.mkfifo(manifest)
    ran = subprocess.run(
        command("check", str(manifest)),
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ran.returncode, ran.stderr) == (2, f"harness: {manifest} is no file\n")


@pytest.mark.skipif(not shutil.which("unshare") or not shutil.which("ip"), reason="needs namespaces")
def test_a_loopback_of_one_address_is_not_held_against_a_server(tmp_path: Path) -> None:
    steps = ("ip addr add 127.0.0.1/32 dev lo", "ip link set lo up", "ip addr del 127.0.0.1/8 dev lo", 'exec "$@"')
    one = " && ".join(steps)
    ran = in_namespaces("-rn", one, "check", str(MUTANTS / "server.py"), "-k", "listens_on", folder=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 unsupported" in ran.stdout


# --- what the kernel lacks or refuses


def test_descendants_are_found_on_a_kernel_without_lists_of_children(monkeypatch: pytest.MonkeyPatch) -> None:
    script = "sleep 60 & echo; wait"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as shell:
        assert shell.stdout
        shell.stdout.readline()
        listed = warden.descendants(os.getpid())
        assert len(warden.descendants(shell.pid)) == 1
        monkeypatch.setattr(warden, "HAS_LISTS", False)
        assert sorted(warden.descendants(os.getpid())) == sorted(listed)
        warden.signal_all(shell.pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE])
def test_a_process_that_this_machine_cannot_start_is_no_fault_of_a_server(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(subprocess, "Popen", refused)
    with pytest.raises(HarnessError, match="this machine cannot start another process") as raised:
        start(implementation(MUTANTS / "server.py"), ["server"])
    assert not isinstance(raised.value, LaunchError)


def test_the_shell_of_a_sandbox_says_nothing_about_lower_limits() -> None:
    limits = sandbox.LIMITS.format(blocks=2048, tasks=1_000_000)

    def lower_as_no_root() -> None:  # who could raise it again
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        if os.geteuid() == 0:
            os.setuid(65534)

    ran = subprocess.run(
        ["/bin/sh", "-c", f"{limits}; echo begun"],
        preexec_fn=lower_as_no_root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.stdout, ran.stderr) == ("begun\n", "")
