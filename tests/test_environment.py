"""Machines and shells unlike those of a developer: many processors, few descriptors, full disks, strange variables."""

from __future__ import annotations

import subprocess
import sys

import pytest

# --- many processors

OF_256_PROCESSORS = """
import importlib, os, sys
os.cpu_count = lambda: 256
command = importlib.import_module(f"harness.commands.{sys.argv[1]}_command").command
print(command.make_context(sys.argv[1], []).params["jobs"])
"""


@pytest.mark.parametrize("name", ["check", "run", "build", "selftest"])
def test_a_machine_may_have_more_processors_than_jobs_can_be_asked_for(name: str) -> None:
    ran = subprocess.run([sys.executable, "-c", OF_256_PROCESSORS, name], capture_output=True, text=True, check=False)
    assert ran.stdout == "64\n", ran.stderr
