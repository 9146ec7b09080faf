"""A pytest plugin: the native core that tests load is the one that the environment names, built with sanitizers.

python -m pytest -p tests.sanitized tests/test_swarm.py
"""

from __future__ import annotations

import importlib.util
import os
import sys

CORE = "harness.load.engine._native"
FILE = "ZILLIONS_SANITIZED"  # in the environment: the built module


def pytest_configure() -> None:
    """Put it into the place of the usual one."""
    spec = importlib.util.spec_from_file_location(CORE, os.environ[FILE])
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[CORE] = module
