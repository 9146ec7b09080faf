"""A short coverage-guided fuzzing run of serdy; `benchmarks/fuzz_serdy.py` by itself runs until it is stopped."""

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

pytestmark = pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed")


def fuzz(target: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(target), f"-runs={RUNS}", "-seed=1", "-max_len=256"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=target.parent, env=environment, capture_output=True, text=True, timeout=240)


def test_bytes_encode_a_value_or_raise_decode_error(tmp_path: Path) -> None:
    result = fuzz(Path(shutil.copy(TARGET, tmp_path)))
    assert result.returncode == 0, result.stderr[-3000:]
    assert f"Done {RUNS} runs" in result.stderr


def test_a_target_that_raises_another_exception_is_found(tmp_path: Path) -> None:
    """The fuzzer reaches the decoder: with DecodeError counted as a crash, it finds one."""
    broken = tmp_path / "broken.py"
    broken.write_text(TARGET.read_text().replace("except DecodeError:", "except ZeroDivisionError:"))
    result = fuzz(broken)
    assert result.returncode != 0
    assert "DecodeError" in result.stdout + result.stderr
