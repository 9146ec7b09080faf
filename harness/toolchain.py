"""What is known of the tools that servers need: a table, `toolchain.toml`, and what a server says itself.

A tool is asked in a process of its own: some hang, some begin with a banner, each says its version in its own way.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

TABLE = Path(__file__).with_name("toolchain.toml")
ASK_S = 10.0
ANY = "*"  # in the place of a name: what is true of all of a kind
NUMBERS = (
    re.compile(r"\d+(?:\.\d+)+"),
    re.compile(r"\d+"),
)  # a version has a dot; where there is none, it is one number


class Tool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of something that a server needs; "{name}" stands for its name everywhere.

    Attributes:
        what: what it is, for people.
        here: a command that succeeds where it is.
        version: a command that says which version it is.
        debian: the Debian packages that bring it.
        install: the command that installs it where no Debian package does.
    """

    what: str = ""
    here: tuple[str, ...] = ()
    version: tuple[str, ...] = ()
    debian: tuple[str, ...] = ()
    install: str = ""


@cache
def table() -> Mapping[str, Tool]:
    """Return what stands in the table, by "kind:name" and "kind:*"."""
    return msgspec.convert(tomllib.loads(TABLE.read_text("utf-8")), dict[str, Tool])


def kinds() -> list[str]:
    """Return the kinds of needs that the table knows."""
    return [key.partition(":")[0] for key in table() if key.endswith(f":{ANY}")]


def known(kind: str, name: str, own: Mapping[str, Tool]) -> Tool:
    """Return what is known of a tool, field by field: by what the server says itself, else by the table.

    Args:
        own: the tools that the server tells of, as in the table.
    """
    fields: dict[str, str | tuple[str, ...]] = {}
    for tools in (table(), own):
        for key in (f"{kind}:{ANY}", f"{kind}:{name}"):
            if key in tools:
                fields |= {field: value for field, value in msgspec.structs.asdict(tools[key]).items() if value}
    return Tool(**{field: _filled(value, name) for field, value in fields.items()})  # type: ignore[arg-type]


def _filled(value: str | tuple[str, ...], name: str) -> str | tuple[str, ...]:
    if isinstance(value, str):
        return value.replace("{name}", name)
    return tuple(word.replace("{name}", name) for word in value)


@dataclass(frozen=True)
class Answer:
    """What a tool that was asked something did: its status, and what it said on each of its outputs."""

    status: int
    said: str
    complaint: str

    @property
    def version(self) -> str:
        """The first number in what it said, e.g. "12.2.0"; "" when it failed."""
        found = [one.search(text) for text in (self.said, self.complaint) for one in NUMBERS]
        return "" if self.status else next((one[0] for one in found if one), "")

    @property
    def reason(self) -> str:
        """Why it failed, in a line: the first of what it complains of, or the last of a traceback."""
        lines = [line.strip() for line in (self.complaint or self.said).splitlines() if line.strip()]
        if not lines:
            return f"exited with status {self.status}"
        return lines[-1] if any(line.startswith("Traceback") for line in lines) else lines[0]


def ask(words: Sequence[str], seconds: float = ASK_S) -> Answer:
    """Run a command that only tells something; one that takes too long is killed, with all that it started."""
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        return Answer(127, "", f"{words[0]}: {error.strerror}")
    try:
        said, complaint = process.communicate(timeout=seconds)
        return Answer(process.returncode, said, complaint)
    except subprocess.TimeoutExpired:
        return Answer(124, "", f"{words[0]} took over {seconds:g} s")
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()


def at_least(version: str, least: str) -> bool:
    """Return whether a version is no older than another; one that is not known is not."""
    have, want = ([int(number) for number in re.findall(r"\d+", one)] for one in (version, least))
    return have + [0] * (len(want) - len(have)) >= want if have else False
