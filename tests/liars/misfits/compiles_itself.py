#!/usr/bin/env python3
"""Uses two seconds of the processor before it is ready, as a compiler does on a busy machine."""

import sys
import time

while time.process_time() < 2:
    pass
print(f"listening on {sys.argv[1]}", flush=True)
time.sleep(60)
