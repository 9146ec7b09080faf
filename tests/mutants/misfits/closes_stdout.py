#!/usr/bin/env python3
"""Closes its standard output without a word and lives on for 300 s."""

import os
import time

os.close(1)
time.sleep(300)
