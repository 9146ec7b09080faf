"""Keeps pytest from collecting `tests/guest`: a repository of its own, which `tests/test_guest.py` tries."""

import os

from harness.processes.sandbox import VARIABLE

collect_ignore = ["guest"]
os.environ[VARIABLE] = "off"  # what a test shows must not depend on whether bubblewrap is installed
