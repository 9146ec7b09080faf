#!/usr/bin/env python3
"""Never prints a ready line; ends after 300 s."""

import time

time.sleep(300)
