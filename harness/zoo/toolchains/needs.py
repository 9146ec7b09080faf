"""The needs of servers, written "kind:name>=version": whether they are installed, in which version, what installs them.

Checks that run a process run once, and many in parallel. The commands are in `toolchain.toml`, or in the server's
own declaration.
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
from harness.toolchain import Tool, ToolOutput, is_at_least, kinds, lookup
from harness.zoo.toolchains.answers import query

COMMAND, PYTHON = "command", "python"  # checked by this module; all other kinds declare a command that checks
SYNTAX = re.compile(r"(?P<kind>[a-z]+)(?::(?P<name>[^\s>]+))?(?:>=(?P<version>\d+(?:\.\d+)*))?")
# It stands in the code of a language, e.g. of the shell.
LIBRARY_NAME = re.compile(r"([\w.:/@+][\w.:/@+-]*)?")
MODULE_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
IMPORT_CODE = "import sys; sys.path = [path for path in sys.path if path]; import {}"  # not from the current folder
PYTHON_VERSION_CODE = "import platform; print(platform.python_version())"
PACKAGE_VERSION_CODE = "from importlib.metadata import version; print(version({!r}))"
THREADS = 16  # more than cores, because the processes mostly wait for the disk


@dataclass(frozen=True)
class Need:
    """A tool, library or package that a server needs.

    Attributes:
        kind: e.g. "command", "python" or "library".
        name: e.g. "gcc"; "" for the Python interpreter itself.
        min_version: the oldest version that will do, or "".
        tool: how it is checked and installed.
        python: for a Python package, the interpreter that must have it; "" for the harness's own.
        is_declared: whether the server's own manifest says how it is checked.
    """

    kind: str
    name: str
    min_version: str
    tool: Tool
    python: str = ""
    is_declared: bool = False

    @property
    def description(self) -> str:
        """Its name in a message about it."""
        if self.kind == COMMAND:
            return self.name
        if not self.name:
            return f"the Python of {self.python}" if self.python else "Python"
        return f"{self.tool.what or self.kind} {self.name}"

    @property
    def label(self) -> str:
        """Its name in a table: with its kind, if it is neither a command nor a Python package."""
        name = self.name or "Python"
        if self.kind not in (COMMAND, PYTHON):
            return f"{self.kind} {name}"
        return f"{name} ({self.python})" if self.python else name

    @property
    def install_command(self) -> str:
        """The command that installs it, or ""."""
        if self.tool.debian:
            return f"apt-get install {' '.join(self.tool.debian)}"
        if self.kind == PYTHON and not self.name:
            return ""
        return f"{self.python} -m {self.tool.install}" if self.python else self.tool.install

    @property
    def not_installed(self) -> str:
        """The sentence that it is not installed."""
        return f"{self.description} is not installed"


def parse(implementation: Implementation) -> list[Need]:
    """Return the needs of a server.

    Raises:
        UsageError: a need is malformed, or of an unknown kind.
    """
    return [_need(implementation, text) for text in implementation.needs]


def _need(implementation: Implementation, text: str) -> Need:
    needs_this = f'implementation "{implementation.name}" needs "{text}"'
    match = SYNTAX.fullmatch(text)
    if not match or not (match["name"] or (match["kind"] == PYTHON and match["version"])):
        raise UsageError(f'{needs_this}, which is not written "KIND:NAME" or "KIND:NAME>=VERSION"')
    kind, name, min_version = match["kind"], match["name"] or "", match["version"] or ""
    if kind == PYTHON and name and not MODULE_NAME.fullmatch(name):
        raise UsageError(f'{needs_this}, but "{name}" is no module name')
    if kind != COMMAND and not LIBRARY_NAME.fullmatch(name):
        raise UsageError(f'{needs_this}, but "{name}" is no name')
    tool = lookup(kind, name, implementation.tools)
    if kind not in (COMMAND, PYTHON) and not tool.check:
        raise UsageError(
            f'{needs_this}, but nothing says how to find a "{kind}"{nearest(kind, kinds())}; '
            f'known kinds: {", ".join(kinds())}; or declare tools."{text}"'
        )
    is_declared = tool != lookup(kind, name, {}) or (kind == COMMAND and "/" in name)
    return Need(kind, name, min_version, tool, implementation.python if kind == PYTHON else "", is_declared)


@cache
def why_missing(need: Need) -> str:
    """Return why this machine does not satisfy a need, as a sentence; "" if it does."""
    if need.kind == COMMAND and shutil.which(need.name) is None:
        return need.not_installed
    if need.kind == PYTHON and need.name and (reason := _why_not_importable(need)):
        return reason
    if need.tool.check and (answer := query(need.tool.check, is_declared=need.is_declared)).status:
        return _check_failed(need, answer)
    if need.min_version and not is_at_least(installed := version(need), need.min_version):
        return f"{need.description} is {installed or 'of unknown version'}, but {need.min_version} or newer is needed"
    return ""


def _check_failed(need: Need, answer: ToolOutput) -> str:
    checker = need.tool.check[0]
    if shutil.which(checker) is None:
        return f"{need.description} cannot be found: {checker} is not installed"
    return f"{need.description} does not work: {answer.failure}" if need.kind == COMMAND else need.not_installed


def _why_not_importable(need: Need) -> str:
    if need.python:
        answer = query((need.python, "-c", IMPORT_CODE.format(need.name)))
        if not answer.status:
            return ""
        if f"No module named '{need.name}'" in answer.failure:
            return f"{need.python} has no package {need.name}"
        return f"{need.python} cannot import {need.name}: {answer.failure}"
    try:
        spec = importlib.util.find_spec(need.name)
    except ImportError:  # of its parent package
        spec = None
    return "" if spec else need.not_installed


@cache
def version(need: Need) -> str:
    """Return the installed version, e.g. "12.2.0"; "" if it is unknown."""
    if need.tool.version:
        return query(need.tool.version, is_declared=need.is_declared).version
    if need.kind != PYTHON:
        return ""
    if need.python:
        code = PACKAGE_VERSION_CODE.format(need.name) if need.name else PYTHON_VERSION_CODE
        return query((need.python, "-c", code)).version
    try:
        return importlib.metadata.version(need.name) if need.name else platform.python_version()
    except importlib.metadata.PackageNotFoundError:
        return ""


@dataclass(frozen=True)
class NeedStatus:
    """Whether this machine satisfies a need.

    Attributes:
        need: the need.
        why_missing: why it is not satisfied, as a sentence; "" if it is.
        version: the installed version; "" if it is missing or its version is unknown.
        servers: the names of the servers that have this need.
    """

    need: Need
    why_missing: str
    version: str
    servers: tuple[str, ...]


def survey(implementations: Sequence[Implementation], *, versions: bool = True) -> list[NeedStatus]:
    """Check the needs of all these servers in parallel; return commands first, then by kind and name.

    Args:
        implementations: the servers.
        versions: whether to find out versions, which takes more time.
    """
    servers: dict[Need, dict[str, None]] = {}  # the names of the servers, as an ordered set
    for implementation in implementations:
        for need in parse(implementation):
            servers.setdefault(need, {})[implementation.name] = None

    def check(need: Need) -> NeedStatus:
        reason = why_missing(need)
        return NeedStatus(need, reason, version(need) if versions and not reason else "", tuple(servers[need]))

    with ThreadPoolExecutor(THREADS) as threads:
        statuses = list(threads.map(check, servers))
    return sorted(statuses, key=_table_order)


def _table_order(status: NeedStatus) -> tuple[bool, str, str, str]:
    need = status.need
    return need.kind != COMMAND, need.kind, need.name, need.python


def clear_cache() -> None:
    """Forget all results, because something was installed."""
    why_missing.cache_clear()
    version.cache_clear()
