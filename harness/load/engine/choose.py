"""Chooses an engine: the one that the environment names; else the native one where it was built, or the Python one.

Each engine is imported only when it is chosen, so asking for the name costs next to nothing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.load.engine.frame_templates import FrameTemplate
    from harness.load.engine.interface import Engine

ENGINE_VARIABLE = "ZILLIONS_ENGINE"  # environment variable: "native" or "python"; unset or empty for the faster one
NATIVE_MODULE = "harness.load.engine._native"


def make_engine(templates: Sequence[FrameTemplate], subscribed: Sequence[bytes]) -> Engine:
    """Create an engine.

    Args:
        templates: the frame template of each sender.
        subscribed: for each group one byte a sender, 1 if the group's clients may receive from it, else 0.

    Returns:
        An engine without clients, whose senders are idle.

    Raises:
        HarnessError: the environment asks for an engine that is unavailable.
    """
    if engine_name() == "native":
        engine: Engine = import_module(NATIVE_MODULE).Engine([tuple(template) for template in templates], [*subscribed])
        return engine
    from harness.load.engine.python import PythonEngine

    return PythonEngine(templates, subscribed)


def engine_name() -> str:
    """Return which engine this process uses: "native" or "python".

    Raises:
        HarnessError: the environment asks for an engine that is unavailable, or for one that does not exist.
    """
    wanted = os.environ.get(ENGINE_VARIABLE, "")
    if wanted not in ("", "native", "python"):
        raise HarnessError(f'{ENGINE_VARIABLE} is "{wanted}", expected "native" or "python"')
    if wanted == "python":
        return wanted
    try:
        import_module(NATIVE_MODULE)
    except ImportError as error:
        if wanted:
            raise HarnessError(
                f"the native engine was not built ({error}); it needs a C compiler at installation"
            ) from None
        return "python"
    return "native"
