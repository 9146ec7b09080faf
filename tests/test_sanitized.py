"""The native core under the address and the undefined-behaviour sanitizer: the same tests, and no word from these."""

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
    """The environment in which the sanitized core is loaded."""
    if not shutil.which("gcc"):
        pytest.skip("gcc is not here")
    library = run(["gcc", "-print-file-name=libasan.so"]).stdout.strip()
    file = tmp_path / "_core.so"
    include = f"-I{sysconfig.get_paths()['include']}"
    done = run(["gcc", *FLAGS, *WARNINGS, include, *map(str, SOURCES), "-o", str(file)])
    assert not done.returncode, done.stderr
    # Python itself keeps memory to its end, so leaks cannot be told.
    return {sanitized.FILE: str(file), "LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0"}


def test_the_sanitizers_see_an_error(built: dict[str, str]) -> None:
    """What is asked of a freed core is an error that they must tell: else the next test would prove nothing."""
    code = "import ctypes; c = ctypes.CDLL(None); c.malloc.restype = ctypes.c_void_p; ctypes.string_at(c.malloc(8), 9)"
    assert "heap-buffer-overflow" in run([sys.executable, "-c", code], **built).stderr


def test_the_native_core_does_nothing_wrong_in_its_tests(built: dict[str, str]) -> None:
    words = [sys.executable, "-m", "pytest", "-q", "-p", "tests.sanitized", "tests/test_swarm.py", "-k", "native"]
    done = run([*words, "-p", "no:cacheprovider", "--capture=sys"], **built)
    assert not done.returncode, done.stdout[-3000:] + done.stderr[-3000:]
    assert "runtime error" not in done.stderr
