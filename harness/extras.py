"""Imports what only an optional extra of the package installs, or says how to install it."""

from __future__ import annotations

import importlib
from types import ModuleType

from harness.errors import UsageError


def require(module: str, extra: str) -> ModuleType:
    """Import and return a module that belongs to an optional extra.

    Args:
        module: the module's full name, e.g. "hypothesis.stateful".
        extra: the extra in pyproject.toml that installs it, e.g. "fuzz".

    Raises:
        UsageError: its package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise  # the package is installed, but broken: that is no matter of an extra
        package = error.name.partition(".")[0]
        raise UsageError(
            f"this needs the package {package}, which is not installed: pip install 'zillions[{extra}]'"
        ) from None
