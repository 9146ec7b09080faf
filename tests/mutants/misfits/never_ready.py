#!/usr/bin/env python3
"""Never says that it is ready, and never is; ends after 300 s."""

import time

time.sleep(300)
