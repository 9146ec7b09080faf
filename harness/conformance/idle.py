"""Are the processors idle? Then more cases may run at once, because those that run wait for a slow server."""

from __future__ import annotations

import time

from harness.servers.resources import busy_s, usable_cores

IDLE_SHARE = 0.5  # of the processor time of all cores


class IdleMeter:
    """Measures how busy the processor cores are that this process may use."""

    def __init__(self) -> None:
        self._cores = usable_cores()
        self._busy_s, self._at = busy_s(self._cores), time.monotonic()

    def were_idle(self) -> bool:
        """Return whether most of the processor time since the last call was left; False if the kernel does not say."""
        before, since = self._busy_s, self._at
        self._busy_s, self._at = busy_s(self._cores), time.monotonic()
        if before is None or self._busy_s is None:
            return False
        return self._busy_s - before < (1 - IDLE_SHARE) * len(self._cores) * (self._at - since)
