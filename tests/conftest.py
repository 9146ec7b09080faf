"""Keeps pytest from collecting `tests/guest`: a repository of its own, which `tests/test_guest.py` tries."""

collect_ignore = ["guest"]
