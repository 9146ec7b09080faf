#!/usr/bin/env python3
"""Is ended by SIGSEGV before its ready line."""

import os
import resource
import signal

resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
os.kill(os.getpid(), signal.SIGSEGV)
