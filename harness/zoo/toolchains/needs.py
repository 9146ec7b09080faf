"""What servers need of a machine, "kind:name>=version": whether it is here, which version it is, what installs it.

Whatever takes a process to find out is asked once, and many things at a time; what is known of each stands in
`toolchain.toml`, or with the server.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import re
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

from harness.errors import UsageError, nearest
from harness.model import Implementation
from harness.toolchain import Answer, Tool, ask, at_least, kinds, known

COMMAND, PYTHON = "command", "python"  # the kinds that this module looks for itself; all others say how
WRITTEN = re.compile(r"(?P<kind>[a-z]+)(?::(?P<name>[^\s>]+))?(?:>=(?P<least>\d+(?:\.\d+)*))?")
MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
IMPORT = "import sys; sys.path = [one for one in sys.path if one]; import {}"  # not what lies in this folder
OF_PYTHON = "import platform; print(platform.python_version())"
OF_PACKAGE = "from importlib.metadata import version; print(version({!r}))"
AT_ONCE = 16  # most of them wait for their disk


@dataclass(frozen=True)
class Need:
    """Something that must be here for a server.

    Attributes:
        least: the version that it must have at least, or "".
        tool: what is known of it.
        python: for what Python must have: the interpreter that is asked; "" for this one.
    """

    kind: str
    name: str
    least: str
    tool: Tool
    python: str = ""

    @property
    def shown(self) -> str:
        """What it is called where it is missed."""
        if self.kind == COMMAND:
            return self.name
        if not self.name:
            return f"the Python of {self.python}" if self.python else "Python"
        return f"{self.tool.what or self.kind} {self.name}"

    @property
    def label(self) -> str:
        """What it is called where it is listed."""
        name = self.name or "Python"
        return f"{name} ({self.python})" if self.python else name

    @property
    def remedy(self) -> str:
        """The one command that installs it, or ""."""
        if self.tool.debian:
            return f"apt-get install {' '.join(self.tool.debian)}"
        if self.kind == PYTHON and not self.name:
            return ""
        return f"{self.python} -m {self.tool.install}" if self.python else self.tool.install


def of(implementation: Implementation) -> list[Need]:
    """Return what a server needs; raise UsageError for what cannot be meant."""
    return [_need(implementation, text) for text in implementation.needs]


def _need(one: Implementation, text: str) -> Need:
    wrong = f'implementation "{one.name}" needs "{text}"'
    found = WRITTEN.fullmatch(text)
    if not found or not (found["name"] or (found["kind"] == PYTHON and found["least"])):
        raise UsageError(f'{wrong}, which is not written "KIND:NAME" or "KIND:NAME>=VERSION"')
    kind, name, least = found["kind"], found["name"] or "", found["least"] or ""
    if kind == PYTHON and name and not MODULE.fullmatch(name):
        raise UsageError(f'{wrong}, and "{name}" is not the name of a module')
    tool = known(kind, name, one.tools)
    if kind not in (COMMAND, PYTHON) and not tool.here:
        raise UsageError(
            f'{wrong}, and nothing says how to find a "{kind}"{nearest(kind, kinds())}; '
            f'known are {", ".join(kinds())}, or say it with tools."{text}"'
        )
    return Need(kind, name, least, tool, one.python if kind == PYTHON else "")


@cache
def lacking(need: Need) -> str:
    """Return why this machine does not have what is needed, as a sentence, or ""."""
    if need.kind == COMMAND and shutil.which(need.name) is None:
        return f"{need.shown} is not here"
    if need.kind == PYTHON and need.name and (reason := _not_imported(need)):
        return reason
    if need.tool.here and (answer := ask(need.tool.here)).status:
        return _not_found(need, answer)
    if need.least and not at_least(have := version(need), need.least):
        return f"{need.shown} is {have or 'of an unknown version'}, and {need.least} is needed"
    return ""


def _not_found(need: Need, answer: Answer) -> str:
    asked = need.tool.here[0]
    if shutil.which(asked) is None:
        return f"{need.shown} is not found, for {asked} is not here"
    return f"{need.shown} does not work: {answer.reason}" if need.kind == COMMAND else f"{need.shown} is not here"


def _not_imported(need: Need) -> str:
    if need.python:
        answer = ask((need.python, "-c", IMPORT.format(need.name)))
        if not answer.status:
            return ""
        if f"No module named '{need.name}'" in answer.reason:
            return f"{need.python} has no package {need.name}"
        return f"{need.python} cannot import {need.name}: {answer.reason}"
    try:
        found = importlib.util.find_spec(need.name)
    except ImportError:  # of what it is a part of
        found = None
    return "" if found else f"{need.shown} is not here"


@cache
def version(need: Need) -> str:
    """Return the version of what is needed, as "12.2.0"; "" where it does not say."""
    if need.tool.version:
        return ask(need.tool.version).version
    if need.kind != PYTHON:
        return ""
    if need.python:
        code = OF_PACKAGE.format(need.name) if need.name else OF_PYTHON
        return ask((need.python, "-c", code)).version
    try:
        return importlib.metadata.version(need.name) if need.name else platform.python_version()
    except importlib.metadata.PackageNotFoundError:
        return ""


@dataclass(frozen=True)
class Found:
    """What was found out about something that servers need.

    Attributes:
        lacking: why it is not here, or "".
        version: "" where it is not here, or does not say.
        servers: the names of those that need it.
    """

    need: Need
    lacking: str
    version: str
    servers: tuple[str, ...]


def survey(implementations: Sequence[Implementation]) -> list[Found]:
    """Find out about everything that these servers need, many things at a time; in the order of their names."""
    who: dict[Need, dict[str, None]] = {}
    for one in implementations:
        for need in of(one):
            who.setdefault(need, {})[one.name] = None

    def look(need: Need) -> Found:
        reason = lacking(need)
        return Found(need, reason, "" if reason else version(need), tuple(who[need]))

    with ThreadPoolExecutor(AT_ONCE) as threads:
        found = list(threads.map(look, who))
    return sorted(found, key=lambda one: (one.need.kind != COMMAND, one.need.kind, one.need.name, one.need.python))


def forget() -> None:
    """Find everything out again from now on: something was installed."""
    lacking.cache_clear()
    version.cache_clear()
