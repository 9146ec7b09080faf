"""Are the processors idle? Then more cases may run at once, because those that run wait for a slow server."""

from __future__ import annotations

import time

from harness.processes.limits import read_limits
from harness.servers.resources import busy_s, usable_cores

IDLE_SHARE = 0.5  # of the processor time of all cores


class IdleMeter:
    """Measures how busy the processor cores are that this process may use.

    A quota of processor time allows less than idle cores suggest: they are idle while it stops the processes.
    """

    def __init__(self) -> None:
        self._cores = usable_cores()
        self._busy_s, self._throttled_s, self._at = busy_s(self._cores), read_limits().throttled_s, time.monotonic()

    def were_idle(self) -> bool:
        """Return whether most of the processor time since the last call was left; False if the kernel does not say."""
        busy_before_s, throttled_before_s, since = self._busy_s, self._throttled_s, self._at
        self._busy_s, self._throttled_s, self._at = busy_s(self._cores), read_limits().throttled_s, time.monotonic()
        if busy_before_s is None or self._busy_s is None or self._throttled_s > throttled_before_s:
            return False
        return self._busy_s - busy_before_s < (1 - IDLE_SHARE) * len(self._cores) * (self._at - since)
