"""Keeps pytest from collecting `tests/guest`: the cases of a spec that `tests/test_guest.py` installs."""

import os

from harness.processes.sandbox import VARIABLE

collect_ignore = ["guest"]
os.environ[VARIABLE] = "off"  # what a test shows must not depend on whether bubblewrap is installed
