"""Adds variants of the servers in Python that run under other interpreters, such as "mine (pypy3)"."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.errors import UsageError
from harness.model import Implementation
from harness.toolchain import Tool

NO_OP = ("-c", "")


def add_variants(implementations: Sequence[Implementation], pythons: Sequence[str]) -> list[Implementation]:
    """Return these servers, each one in Python followed by a variant per interpreter.

    Args:
        implementations: the servers.
        pythons: the interpreters, as commands or paths.

    Raises:
        UsageError: there are interpreters, but no server in Python.
    """
    if pythons and not any(map(_is_python, implementations)):
        raise UsageError(f"--python {','.join(pythons)}: none of these servers is in Python")
    labels = _labels([os.path.abspath(os.path.expanduser(name)) if "/" in name else name for name in pythons])
    servers = []
    for server in implementations:
        servers.append(server)
        if _is_python(server):
            servers += [_variant(server, python, label) for python, label in labels.items()]
    return servers


def _is_python(implementation: Implementation) -> bool:
    return not implementation.run and not implementation.python


def _variant(implementation: Implementation, python: str, label: str) -> Implementation:
    """Return a server that runs under another interpreter, and needs it installed and working."""
    need = f"command:{python}"
    return msgspec.structs.replace(
        implementation,
        name=f"{implementation.name} ({label})",
        python=python,
        needs=(need, *implementation.needs),
        tools={**implementation.tools, need: Tool(check=(python, *NO_OP))},
    )


def _labels(pythons: Sequence[str]) -> dict[str, str]:
    """Return the label of each interpreter: its file name, or its whole path if two have the same file name."""
    names = {python: Path(python).name for python in pythons}
    return {python: name if [*names.values()].count(name) == 1 else python for python, name in names.items()}
