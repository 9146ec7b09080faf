"""The servers in Python under other interpreters: entries of their own, such as "mine (pypy3)"."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.errors import UsageError
from harness.model import Implementation
from harness.toolchain import Tool

DOES_NOTHING = ("-c", "")


def under(implementations: Sequence[Implementation], pythons: Sequence[str]) -> list[Implementation]:
    """Return these servers, behind each that this Python runs the same one under each of the interpreters.

    Raises:
        UsageError: there are interpreters, and nothing for them to run.
    """
    if pythons and not any(map(_is_python, implementations)):
        raise UsageError(f"--python {','.join(pythons)}: none of these servers is in Python")
    labels = _labels([os.path.abspath(os.path.expanduser(one)) if "/" in one else one for one in pythons])
    found = []
    for one in implementations:
        found.append(one)
        if _is_python(one):
            found += [_under(one, python, label) for python, label in labels.items()]
    return found


def _is_python(one: Implementation) -> bool:
    return not one.run and not one.python


def _under(one: Implementation, python: str, label: str) -> Implementation:
    """Return a server under another interpreter, which must be here, and work."""
    need = f"command:{python}"
    return msgspec.structs.replace(
        one,
        name=f"{one.name} ({label})",
        python=python,
        needs=(need, *one.needs),
        tools={**one.tools, need: Tool(here=(python, *DOES_NOTHING))},
    )


def _labels(pythons: Sequence[str]) -> dict[str, str]:
    """Return what each interpreter is called: its file's name, where two have the same one all of its path."""
    names = {one: Path(one).name for one in pythons}
    return {one: name if [*names.values()].count(name) == 1 else one for one, name in names.items()}
