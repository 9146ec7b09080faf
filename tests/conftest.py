"""What pytest must not take for a test of ours: the cases of a guest's spec, which `tests/test_guest.py` installs."""

collect_ignore = ["guest"]
