"""A pytest plugin: tests use the native engine that an environment variable names, built with sanitizers.

python -m pytest -p tests.sanitized tests/test_engines.py tests/test_swarm.py
"""

from __future__ import annotations

import importlib.util
import os
import sys

from harness.load.engine.choose import NATIVE_MODULE

LIBRARY_VARIABLE = "ZILLIONS_SANITIZED"  # environment variable: the file of the built module


def pytest_configure() -> None:
    """Load it in the place of the usual one."""
    spec = importlib.util.spec_from_file_location(NATIVE_MODULE, os.environ[LIBRARY_VARIABLE])
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[NATIVE_MODULE] = module
