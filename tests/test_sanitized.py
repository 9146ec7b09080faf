"""The native engine passes its tests under the address and the undefined-behaviour sanitizer without a report."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import harness
from tests import sanitized

SOURCES = sorted((Path(harness.__file__).parent / "load" / "engine" / "native").glob("*.c"))
FLAGS = [
    "-std=gnu11",
    "-g",
    "-O1",
    "-fPIC",
    "-shared",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=undefined",
]
WARNINGS = ["-Wall", "-Wextra", "-Werror", "-Wno-cast-function-type"]


def run(words: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, env={**os.environ, **environment}, capture_output=True, text=True, check=False)


@pytest.fixture
def built(tmp_path: Path) -> dict[str, str]:
    """The environment in which tests use the sanitized engine."""
    if not shutil.which("gcc"):
        pytest.skip("gcc is unavailable")
    library = run(["gcc", "-print-file-name=libasan.so"]).stdout.strip()
    file = tmp_path / "_native.so"
    include = f"-I{sysconfig.get_paths()['include']}"
    compiled = run(["gcc", *FLAGS, *WARNINGS, include, *map(str, SOURCES), "-o", str(file)])
    assert not compiled.returncode, compiled.stderr
    # Python itself keeps memory to its end, so leaks cannot be detected.
    return {sanitized.LIBRARY_VARIABLE: str(file), "LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0"}


def test_the_sanitizers_see_an_error(built: dict[str, str]) -> None:
    """They report an error that is made on purpose: otherwise the next test would prove nothing."""
    code = "import ctypes; c = ctypes.CDLL(None); c.malloc.restype = ctypes.c_void_p; ctypes.string_at(c.malloc(8), 9)"
    assert "heap-buffer-overflow" in run([sys.executable, "-c", code], **built).stderr


def test_the_native_engine_does_nothing_wrong_in_its_tests(built: dict[str, str]) -> None:
    options = ["-q", "-p", "tests.sanitized", "-p", "no:cacheprovider", "--capture=sys", "-k", "native"]
    words = [sys.executable, "-m", "pytest", *options, "tests/test_engines.py", "tests/test_swarm.py"]
    done = run(words, **built)
    assert not done.returncode, done.stdout[-3000:] + done.stderr[-3000:]
    assert "runtime error" not in done.stderr
