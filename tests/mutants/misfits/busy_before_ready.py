#!/usr/bin/env python3
"""Uses the processor for a second before it is ready, as a compiler does; ends after 60 s."""

import sys
import time

while time.process_time() < 1:
    pass
print(f"listening on {sys.argv[1]}", flush=True)
time.sleep(60)
