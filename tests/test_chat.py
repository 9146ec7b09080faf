"""`harness chat`: through real pipes, in a real terminal, across lost connections, and as a swarm."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import pty
import re
import resource
import select
import signal
import socket
import subprocess
import termios
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import plugins
from harness.chat.session import LONGEST_PAUSE_S, SHORTEST_PAUSE_S, Backoff, ChatSession
from harness.chat.simulated_users import SwarmOutcome, summary
from harness.history.fault import Fault
from tests.zoo import CONFORMING, MUTANTS, command, harness

BROADCAST = plugins.specs()["broadcast"]
DEADLINE_S = 60.0
CONTROLS = re.compile(r"\x1b\[[?\d;]*[a-zA-Z]")


class Served:
    """A server that can be stopped and restarted at the same address."""

    def __init__(self, path: Path) -> None:
        self.path, self.address = path, "127.0.0.1:0"
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(command("serve", str(self.path), self.address), stdout=subprocess.PIPE)
        assert self.process.stdout
        self.address = self.process.stdout.readline().decode().split()[-1]

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()


@pytest.fixture
def server() -> Iterator[Served]:
    served = Served(CONFORMING)
    yield served
    served.end()


# --- without I/O


@given(st.binary(max_size=255))
def test_a_body_is_shown_in_the_form_in_which_it_can_be_typed(body: bytes) -> None:
    for spec in (BROADCAST, dataclasses.replace(BROADCAST, dialect=None)):
        session = ChatSession(spec, "me")
        assert session.start() == b""
        (shown,) = session.decode(BROADCAST.codec.encode(body))
        assert shown.isprintable()
        assert session.encode(shown) == BROADCAST.codec.encode(body)


@given(st.binary(max_size=600), st.integers(1, 50), st.sampled_from(sorted(plugins.specs())))
def test_any_bytes_from_a_server_are_safe_for_a_terminal(data: bytes, size: int, spec: str) -> None:
    session = ChatSession(plugins.specs()[spec], "me")
    try:
        for begin in range(0, len(data), size):
            assert all(line.isprintable() for line in session.decode(data[begin : begin + size]))
    except ValueError as error:
        assert str(error).isprintable()


@pytest.mark.parametrize("spec", plugins.specs().values(), ids=lambda spec: spec.name)
def test_every_spec_can_be_chatted_in(spec: plugins.Spec) -> None:
    session = ChatSession(spec, "me")
    session.start()
    assert session.dialect.help
    for client in (0, 1):
        shown = session.decode(spec.codec.encode_delivery(spec.codec.make_body(b"hello"), client))
        assert len(shown) == 1 and "hello" in shown[0]
        assert (spec.codec.name(client) or "") in shown[0]


def test_a_message_that_is_too_long_is_refused_with_a_reason() -> None:
    with pytest.raises(ValueError, match="too long: a message has at most 255 bytes, this one has 256"):
        ChatSession(BROADCAST, "me").encode("é" * 128)


@given(st.lists(st.floats(0, 60), max_size=30))
def test_pauses_grow_while_connections_fail(lives: list[float]) -> None:
    pauses = Backoff()
    last = 0.0
    for lived_s in lives:
        pause = pauses.pause_after(lived_s)
        assert SHORTEST_PAUSE_S <= pause <= LONGEST_PAUSE_S
        assert pause == min(max(2 * last, SHORTEST_PAUSE_S), LONGEST_PAUSE_S) or (
            pause == SHORTEST_PAUSE_S and lived_s > last
        )
        last = pause


# --- through pipes


def filtered(address: str, lines: bytes, expected: int = 0) -> tuple[bytes, bytes, int]:
    """Send lines, and end the input when `expected` lines have been received; return output, errors and status."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command("chat", address), stdin=pipe, stdout=pipe, stderr=pipe) as running:
        assert running.stdin and running.stdout
        running.stdin.write(lines)
        running.stdin.flush()
        received = b"".join(running.stdout.readline() for _ in range(expected))
        rest, errors = running.communicate(timeout=DEADLINE_S)
        return received + rest, errors, running.returncode


def test_a_filter_sends_lines_and_prints_what_it_receives(server: Served) -> None:
    lines = b"".join(line + b"\n" for line in [b"hello", b"", rb"\x00 \n \\ \x1b[31m", "日本".encode(), b"/quit"])
    assert filtered(server.address, lines, 5) == (lines, b"", 0)


def test_a_filter_reports_lines_it_cannot_send_and_sends_the_others(server: Served) -> None:
    received, errors, status = filtered(server.address, b"one\n\\q\n" + b"x" * 256 + b"\ntwo\n", 2)
    assert received == b"one\ntwo\n"
    assert [line.split(b":")[1] for line in errors.splitlines()] == [b" line 2", b" line 3"]
    assert status == 2


def test_a_filter_passes_bytes_that_are_not_text(server: Served) -> None:
    assert filtered(server.address, b"\xff\xfe\x07\n", 1)[0] == rb"\xff\xfe\x07" + b"\n"


def test_a_filter_receives_while_its_input_is_open(server: Served) -> None:
    with subprocess.Popen(command("chat", server.address), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as listener:
        assert listener.stdin and listener.stdout
        listener.stdin.write(b"here\n")
        listener.stdin.flush()
        assert listener.stdout.readline() == b"here\n"
        assert filtered(server.address, b"from elsewhere\n", 1)[0] == b"from elsewhere\n"
        assert listener.stdout.readline() == b"from elsewhere\n"
        listener.stdin.close()
        assert listener.wait(DEADLINE_S) == 0


def test_a_filter_reports_a_lost_server(server: Served) -> None:
    with subprocess.Popen(
        command("chat", server.address), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as listener:
        assert listener.stdin and listener.stdout and listener.stderr
        listener.stdin.write(b"here\n")
        listener.stdin.flush()
        assert listener.stdout.readline() == b"here\n"
        server.end()
        assert listener.stderr.read() in (
            b"harness: the server closed the connection\n",
            b"harness: the connection broke\n",
        )
        assert listener.wait(DEADLINE_S) == 3


def test_a_filter_accepts_a_file_or_no_input(server: Served, tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(b"from a file\nfrom a file")
    for words, received in (("< lines", b"from a file\n" * 2), ("< /dev/null", b""), ("<&-", b"")):
        line = f'"$@" {words}'
        ended = subprocess.run(
            ["sh", "-c", line, "sh", *command("chat", server.address, "--linger", "3")],
            cwd=tmp_path,
            capture_output=True,
            timeout=DEADLINE_S,
            check=True,
        )
        assert (ended.stdout, ended.stderr) == (received, b"")


def test_an_unreachable_address_is_reported_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    received, errors, status = filtered(address, b"hello\n")
    assert errors.decode() == f"harness: {address} cannot be reached: Connection refused\n"
    assert (received, status) == (b"", 3)


# --- in a terminal


class Terminal:
    """A user at a terminal; its output is read as it comes."""

    def __init__(self, state: Path, *words: str) -> None:
        self._master, self._slave = pty.openpty()
        self._before = termios.tcgetattr(self._slave)
        self.shown = ""  # without control sequences
        self._process = subprocess.Popen(
            command("chat", *words),
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**os.environ, "XDG_STATE_HOME": str(state), "PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm"},
        )

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def sees(self, text: str) -> None:
        """Wait until a text is shown, after the text seen before."""
        deadline = time.monotonic() + DEADLINE_S
        while text not in self.shown:
            assert select.select([self._master], [], [], max(deadline - time.monotonic(), 0))[0], self.shown
            self._read()
        self.shown = self.shown[self.shown.index(text) + len(text) :]

    def _read(self) -> None:
        self.shown = CONTROLS.sub("", self.shown + os.read(self._master, 65536).decode(errors="replace"))

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def ends(self) -> int:
        """Return the exit status, and check that the terminal settings are restored."""
        deadline = time.monotonic() + DEADLINE_S
        while self._process.poll() is None:
            assert time.monotonic() < deadline
            if select.select([self._master], [], [], 0.1)[0]:
                self._read()
        assert termios.tcgetattr(self._slave) == self._before
        return self._process.returncode

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)
        os.close(self._slave)


@pytest.fixture
def terminal(server: Served, tmp_path: Path) -> Iterator[Terminal]:
    user = Terminal(tmp_path, server.address)
    user.sees(f"connected to {server.address}")
    user.sees(">")
    yield user
    user.close()


def test_a_typed_line_is_delivered_and_messages_appear_above_the_input(terminal: Terminal, server: Served) -> None:
    terminal.type("h\\x65llo\r")
    terminal.sees("hello")
    terminal.type("half a li")
    terminal.sees("half a li")
    filtered(server.address, b"from elsewhere\\x1b[2J\n", 1)
    terminal.sees("from elsewhere\\x1b[2J")
    terminal.sees("half a li")
    terminal.type("\\x6ee\r")
    terminal.sees("half a line")
    terminal.type("/quit\r")
    assert terminal.ends() == 0


def test_help_completion_and_history(terminal: Terminal, tmp_path: Path) -> None:
    terminal.type("/he\t")
    terminal.sees("/help")
    terminal.type("\r")
    terminal.sees("at most 255 bytes")
    terminal.type("s\\x65nt once\r")
    terminal.sees("sent once")
    terminal.type("\x1b[A")
    terminal.sees("s\\x65nt once")
    terminal.type("\r")
    terminal.sees("sent once")
    terminal.type("\\q\r")
    terminal.sees("\\q is not an escape")
    terminal.sees(">")  # before the next prompt the terminal is in line mode and handles the key itself
    terminal.type("\x04")
    assert terminal.ends() == 0
    (file,) = (tmp_path / "zillions").iterdir()
    assert "+s\\x65nt once" in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("key", "status"), [("\x04", 0), ("\x03", 130)])
def test_control_d_and_control_c_leave_a_clean_terminal(terminal: Terminal, key: str, status: int) -> None:
    terminal.type(key)
    assert terminal.ends() == status


def test_control_c_leaves_in_the_middle_of_a_line(terminal: Terminal) -> None:
    terminal.type("half a li")
    terminal.sees("half a li")
    terminal.type("\x03")
    assert terminal.ends() == 130


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_a_clean_terminal(terminal: Terminal, number: int) -> None:
    terminal.type("half a li")
    terminal.sees("half a li")
    terminal.signal(number)
    assert terminal.ends() == 128 + number


def test_a_lost_connection_is_reported_and_restored(terminal: Terminal, server: Served) -> None:
    terminal.type("h\\x65llo\r")
    terminal.sees("hello")
    server.end()
    terminal.sees("; trying again")
    terminal.type("lost\r")
    terminal.sees("not connected: the line was not sent")
    server.start()
    terminal.sees(f"connected to {server.address} again")
    terminal.type("b\\x61ck\r")
    terminal.sees("back")


# --- as a swarm


def test_a_swarm_reports_deliveries_and_the_verdict(server: Served, tmp_path: Path) -> None:
    ended = harness("chat", server.address, "--swarm", "40", "--messages", "25", folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "40 clients joined in " in ended.stdout
    assert "1,000 messages, 40,000 deliveries in " in ended.stdout
    assert ended.stdout.endswith("none was dropped\nlawful: one order fits them all\n")


@pytest.mark.parametrize(
    ("mutant", "sentence"),
    [
        ("receivers_disagree", "not lawful"),
        ("equal_bodies_dropped", "lawful: one order fits them all"),
        ("sender_left_out", "500 deliveries"),
    ],
)
def test_a_swarm_judges(mutant: str, sentence: str, tmp_path: Path) -> None:
    served = Served(MUTANTS / "broken" / f"{mutant}.py")
    try:
        ended = harness("chat", served.address, "--swarm", "20", "--messages", "25", folder=tmp_path)
    finally:
        served.end()
    assert sentence in ended.stdout + ended.stderr
    assert ended.returncode == ("not lawful" in ended.stdout)


def test_a_swarm_to_which_nothing_was_delivered_proves_nothing(server: Served, tmp_path: Path) -> None:
    ended = harness("chat", server.address, "--swarm", "5", "--messages", "0", folder=tmp_path)
    assert ended.stdout.endswith("nothing was delivered after they had joined: this proves nothing\n")
    assert ended.returncode == 3
    outcome = SwarmOutcome(5, 50, 0.1, 0, 250, 0.0, 0, [])
    assert summary(outcome).splitlines()[-2:] == [
        "250 deliveries (100.00%) were dropped",
        "nothing was delivered after they had joined: this proves nothing",
    ]
    fault = Fault("created", "client 0 received a surprise", (0,), (), ())
    unlawful = dataclasses.replace(outcome, faults=[fault])
    assert summary(unlawful).endswith("created: client 0 received a surprise\nnot lawful")
    assert not unlawful.proves_nothing


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["192.0.2.1:9000", "--swarm", "5"],
            "a swarm connects to loopback addresses only, and 192.0.2.1:9000 is not one",
        ),
        (["--swarm", "10001"], "10001 is not in the range 1<=x<=10000"),
        (["--swarm", "10000", "--messages", "1"], "make 100,000,000 deliveries; at most 25,000,000 can be judged"),
        (["9000"], "not an address (HOST:PORT or [HOST]:PORT): 9000"),
        (["--spec", "brodcast"], 'there is no spec "brodcast"; did you mean broadcast?'),
    ],
)
def test_wrong_usage_is_one_sentence(words: list[str], sentence: str, tmp_path: Path) -> None:
    ended = harness("chat", *words, folder=tmp_path)
    assert sentence in ended.stderr
    assert (ended.returncode, ended.stdout) == (2, "")


def limited(words: Sequence[str], files: int) -> subprocess.CompletedProcess[str]:
    """Run a command with a limit on open files."""
    return subprocess.run(
        words,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)),
    )


def test_more_clients_than_descriptors_are_refused() -> None:
    ended = limited(command("chat", "--swarm", "1000", "--messages", "1"), 512)
    assert "1,000 clients need 1,032 open files; this machine allows 512 (ulimit -Hn)" in ended.stderr
    assert ended.returncode == 2
