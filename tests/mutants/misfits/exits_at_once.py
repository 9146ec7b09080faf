#!/usr/bin/env python3
"""Prints a reason to standard error and exits with status 3."""

import sys

sys.exit(print("cannot open /etc/zillions.conf", file=sys.stderr) or 3)
