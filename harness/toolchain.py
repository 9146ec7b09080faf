"""The tools that servers need: how each is found and installed, by `toolchain.toml` and the servers' own manifests.

Each query of a tool is a process of its own: some tools hang, some print a banner first, and each prints its version in
its own way.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

TABLE = Path(__file__).with_name("toolchain.toml")
QUERY_S = 10.0
MAX_OUTPUT = 1 << 16  # bytes that are read of what a query prints on standard output, and on standard error
ANY = "*"  # in place of a name: an entry for all of a kind
NUMBERS = (
    re.compile(r"\d+(?:\.\d+)+"),
    re.compile(r"\d+"),
)  # a version has a dot; if no number has one, it is the first number
# What Java says on standard error about variables of the environment, whose values may have numbers.
REMARK = re.compile(r"^(NOTE: )?Picked up \w+:.*\n?", re.MULTILINE)


class Tool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a tool that servers need is found and installed; "{name}" stands for its name in all fields.

    Attributes:
        what: a description for people.
        check: a command that succeeds if it is installed ("here" in TOML).
        version: a command that prints its version.
        debian: the Debian packages that contain it.
        install: the command that installs it if there is no Debian package.
    """

    what: str = ""
    check: tuple[str, ...] = msgspec.field(default=(), name="here")
    version: tuple[str, ...] = ()
    debian: tuple[str, ...] = ()
    install: str = ""


@cache
def table() -> Mapping[str, Tool]:
    """Return the entries of the table, by "kind:name" and "kind:*"."""
    return msgspec.convert(tomllib.loads(TABLE.read_text("utf-8")), dict[str, Tool])


def kinds() -> list[str]:
    """Return the kinds of needs that the table has entries for."""
    return [key.partition(":")[0] for key in table() if key.endswith(f":{ANY}")]


def lookup(kind: str, name: str, declared: Mapping[str, Tool]) -> Tool:
    """Return what is known of a tool: each field from the server's own manifest, else from the table.

    Args:
        kind: e.g. "command" or "library".
        name: e.g. "gcc".
        declared: the tools that the server's manifest declares, with the same keys as the table.
    """
    fields: dict[str, str | tuple[str, ...]] = {}
    for tools in (table(), declared):
        for key in (f"{kind}:{ANY}", f"{kind}:{name}"):
            if key in tools:
                fields |= {field: value for field, value in msgspec.structs.asdict(tools[key]).items() if value}
    return Tool(**{field: _filled(value, name) for field, value in fields.items()})  # type: ignore[arg-type]


def _filled(value: str | tuple[str, ...], name: str) -> str | tuple[str, ...]:
    if isinstance(value, str):
        return value.replace("{name}", name)
    return tuple(word.replace("{name}", name) for word in value)


@dataclass(frozen=True)
class ToolOutput:
    """The exit status and the output of a queried tool."""

    status: int
    stdout: str
    stderr: str

    @property
    def version(self) -> str:
        """The first version number in its output, e.g. "12.2.0"; "" if it failed."""
        outputs = self.stdout, REMARK.sub("", self.stderr)
        matches = [pattern.search(text) for text in outputs for pattern in NUMBERS]
        return "" if self.status else next((match[0] for match in matches if match), "")

    @property
    def failure(self) -> str:
        """Why it failed, in a line: the first line of its standard error, or the last line of a traceback."""
        text = REMARK.sub("", self.stderr) or self.stdout
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if not lines:
            return f"exited with status {self.status}"
        return lines[-1] if any(line.startswith("Traceback") for line in lines) else lines[0]


def run_query(
    words: Sequence[str], seconds: float = QUERY_S, *, under: Callable[[int], Sequence[str]] | None = None
) -> ToolOutput:
    """Run a command for its output; one that takes longer than `seconds` is killed with all that it started.

    Args:
        words: the command and its arguments.
        seconds: how long it may take.
        under: returns the words of a command that runs this one, and that ends all that it has started, daemons as
            well, when a pipe closes, of which it is given the reading end; without it, daemons are left.
    """
    reader, writer = os.pipe()
    try:
        process = subprocess.Popen(
            (*under(reader), *words) if under else words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(reader,) if under else (),
            start_new_session=True,
        )
    except OSError as error:
        os.close(writer)
        return ToolOutput(127, "", f"{words[0]}: {error.strerror}")
    finally:
        os.close(reader)
    until = time.monotonic() + seconds
    try:
        stdout, stderr = _outputs(process, until)
        return ToolOutput(process.wait(until - time.monotonic()), stdout, stderr)
    except subprocess.TimeoutExpired:
        return ToolOutput(124, "", f"{words[0]} took over {seconds:g} s")
    finally:
        os.close(writer)
        if not under and process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()


def _outputs(process: subprocess.Popen[bytes], until: float) -> tuple[str, str]:
    """Return the beginning of what a process prints on standard output and standard error, until it has closed both.

    Raises:
        subprocess.TimeoutExpired: it has not closed them when the monotonic clock shows `until`.
    """
    assert process.stdout and process.stderr
    texts = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    with selectors.DefaultSelector() as selector:
        for number in texts:
            selector.register(number, selectors.EVENT_READ)
        while selector.get_map():
            if not (ready := selector.select(until - time.monotonic())) or time.monotonic() > until:
                raise subprocess.TimeoutExpired(process.args, until)
            for key, _ in ready:
                data = os.read(key.fd, MAX_OUTPUT)
                texts[key.fd] += data[: MAX_OUTPUT - len(texts[key.fd])]
                if not data:
                    selector.unregister(key.fd)
    stdout, stderr = (text.decode(errors="replace") for text in texts.values())
    return stdout, stderr


def is_at_least(version: str, least: str) -> bool:
    """Return whether a version is at least another; an unknown version ("") is not."""
    have, want = ([int(number) for number in re.findall(r"\d+", text)] for text in (version, least))
    return have + [0] * (len(want) - len(have)) >= want if have else False
