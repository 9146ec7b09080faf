"""`harness chat` as a user sees it: in tmux, 80 columns wide, against servers of the zoo."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import plugins
from harness.model import Implementation
from harness.zoo import build
from harness.zoo.discover import why_unavailable
from tests.zoo import command

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

DEADLINE_S = 120.0
COLUMNS = 80
LONG = "0123456789" * 20
# For each protocol: the first line typed and its answer, what is typed before a message, and what is shown
# before a message from ann and before one from eve.
WORDS = {
    "broadcast": ("hello", "hello", "", "", ""),
    "channels": ("subscribe rust", "subscribed to rust", "send rust ", "rust: ", "rust: "),
    "groupchat": ("hello", "ann: hello", "", "ann: ", "eve: "),
}
# Servers of several specs are enough: to the client the others look the same.
SEVERAL = {server.name for server in plugins.implementations() if server.spec != "broadcast"}
ZOO = [server for server in plugins.implementations() if server.spec in WORDS and server.name in SEVERAL]
# Runs its arguments, then prints their exit status and whether the terminal settings are restored.
SHELL = 'before=$(stty -g); "$@"; echo "ended with $?"; [ "$(stty -g)" = "$before" ] && echo "as it was"; read -r line'


class Screen:
    """A terminal in tmux: takes keys, and returns the rows shown."""

    def __init__(self, folder: Path) -> None:
        self._tmux = ["tmux", "-u", "-S", str(folder / "socket"), "-f", os.devnull]

    def run(self, *words: str) -> str:
        return subprocess.run([*self._tmux, *words], check=True, capture_output=True, text=True).stdout

    def type(self, text: str) -> None:
        self.run("send-keys", "-l", text)

    def press(self, key: str) -> None:
        self.run("send-keys", key)

    @property
    def rows(self) -> list[str]:
        return self.run("capture-pane", "-p").splitlines()

    def shows(self, *rows: str) -> None:
        """Wait until these rows are shown, one below the other."""
        deadline = time.monotonic() + DEADLINE_S
        while not self._has(rows):
            assert time.monotonic() < deadline, (rows, self.rows)
            time.sleep(0.05)  # tmux has no event to wait for

    def _has(self, rows: tuple[str, ...]) -> bool:
        seen = [row.rstrip() for row in self.rows]
        return any(seen[at : at + len(rows)] == list(rows) for at in range(len(seen)))


@contextmanager
def terminal(*words: str) -> Iterator[Screen]:
    """Run a command in a terminal of its own."""
    with tempfile.TemporaryDirectory() as folder:  # because the path of a socket must be short
        screen = Screen(Path(folder))
        environment = [f"XDG_STATE_HOME={folder}", "LC_ALL=C.UTF-8"]
        size = ["-x", str(COLUMNS), "-y", "24"]
        screen.run("new-session", "-d", *size, "env", *environment, "sh", "-c", SHELL, "sh", *words)
        try:
            yield screen
        finally:
            screen.run("kill-server")


@contextmanager
def served(server: Implementation) -> Iterator[str]:
    """Run a server on a free port; yield its address."""
    with subprocess.Popen([*build.command(server), "127.0.0.1:0"], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            yield process.stdout.readline().decode().split()[-1]
        finally:
            process.kill()


def wrapped(text: str) -> list[str]:
    """Return the rows of a text at this width."""
    return [text[at : at + COLUMNS] for at in range(0, len(text), COLUMNS)]


@pytest.mark.parametrize("server", [pytest.param(server, id=f"{server.spec}-{server.name}") for server in ZOO])
def test_a_user_sends_receives_and_leaves_a_clean_terminal(server: Implementation) -> None:
    if reason := why_unavailable(server):
        pytest.skip(reason)
    first, answer, prefix, own, others = WORDS[server.spec]
    key, status = [("C-d", 0), ("C-c", 130)][ZOO.index(server) % 2]
    with served(server) as address, terminal(*command("chat", address, "--spec", server.spec, "--name", "ann")) as ann:
        ann.shows(f"-- connected to {address}")
        ann.shows(">")
        ann.type(first)
        ann.press("Enter")
        ann.shows(answer, ">")
        ann.type(f"{prefix}{LONG}")
        ann.shows(*wrapped(f"> {prefix}{LONG}"))
        ann.press("Enter")
        ann.shows(*wrapped(f"{own}{LONG}"))
        ann.shows(">")
        ann.type("half a li")
        ann.shows("> half a li")
        elsewhere = command("chat", address, "--spec", server.spec, "--name", "eve")
        subprocess.run(elsewhere, input=f"{prefix}zażółć {LONG}\n", text=True, check=True, stdout=subprocess.DEVNULL)
        ann.shows(*wrapped(f"{others}zażółć {LONG}"))
        ann.shows("> half a li")
        if key == "C-d":  # Ctrl-D on a non-empty line deletes a character
            ann.press("C-u")
            ann.shows(">")
        ann.press(key)
        ann.shows(f"ended with {status}", "as it was")
        shown = ann.run("display-message", "-p", "#{cursor_flag} #{alternate_on} #{mouse_any_flag}")
        assert shown.split() == ["1", "0", "0"]
