#!/usr/bin/env python3
"""Closes its standard output without a ready line, and keeps running for 300 s."""

import os
import time

os.close(1)
time.sleep(300)
