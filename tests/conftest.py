"""Keeps pytest from collecting `tests/guest`: the cases of a spec that `tests/test_guest.py` installs."""

collect_ignore = ["guest"]
