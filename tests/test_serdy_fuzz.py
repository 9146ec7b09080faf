"""serdy under coverage-guided fuzzing, for a moment; `benchmarks/fuzz_serdy.py` alone goes on until it is stopped."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "benchmarks" / "fuzz_serdy.py"
RUNS = 20_000

pytestmark = pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="there is no atheris here")


def fuzz(target: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(target), f"-runs={RUNS}", "-seed=1", "-max_len=256"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(words, cwd=target.parent, env=environment, capture_output=True, text=True, timeout=240)


def test_bytes_are_a_value_or_end_in_its_own_error(tmp_path: Path) -> None:
    found = fuzz(Path(shutil.copy(TARGET, tmp_path)))
    assert found.returncode == 0, found.stderr[-3000:]
    assert f"Done {RUNS} runs" in found.stderr


def test_a_target_that_raises_something_else_is_found(tmp_path: Path) -> None:
    """The fuzzer does get to the decoder: let one of its own errors count as a crash."""
    broken = tmp_path / "broken.py"
    broken.write_text(TARGET.read_text().replace("except DecodeError:", "except ZeroDivisionError:"))
    found = fuzz(broken)
    assert found.returncode != 0
    assert "DecodeError" in found.stdout + found.stderr
