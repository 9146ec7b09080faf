"""What the machine does to this process and its descendants that is no fault of theirs: it stops them, or refuses."""

from __future__ import annotations

from harness.processes import limits
from harness.processes.standstill import stood_still_s

THROTTLED_SHARE = 0.01  # of the time: a quota that stops processes for less is hardly noticed


class MachineWatch:
    """Watches the machine from the creation of this object on."""

    def __init__(self) -> None:
        self._limits, self._stood_still_s = limits.read_limits(), stood_still_s()

    def what_happened(self, failure: str) -> str:
        """Return what may have caused a failure, as a sentence, or "".

        Args:
            failure: what went wrong, in the words of a program.
        """
        return self.ran_out(failure) or self.stood_still()

    def ran_out(self, failure: str) -> str:
        """Return which of the things that a program needs ran out (see `harness.processes.limits.what_ran_out`)."""
        return limits.what_ran_out(self._limits, limits.read_limits(), failure)

    def stood_still(self, elsewhere_s: float = 0.0) -> str:
        """Return for how long everything stood still, as a sentence, or "".

        Args:
            elsewhere_s: for how long another process of the harness stood still meanwhile.
        """
        seconds = self.standstill_s(elsewhere_s)
        return f"everything here stood still for {seconds:.0f} s" if seconds else ""

    def standstill_s(self, elsewhere_s: float = 0.0) -> float:
        """Return for how long everything stood still, in s (see `stood_still`)."""
        return max(elsewhere_s, stood_still_s() - self._stood_still_s)

    def throttled_s(self) -> float:
        """Return for how long a processor quota has stopped the processes, summed over cores, in s."""
        if self._limits.cores is None:
            return 0.0
        return limits.read_limits().throttled_s - self._limits.throttled_s

    def throttling(self, seconds: float = 0.0) -> str:
        """Return how a processor quota has stopped the processes, as a sentence, or "".

        Args:
            seconds: how long they ran; a small share of that is left out.
        """
        now = limits.read_limits()
        stopped_s = now.throttled_s - self._limits.throttled_s
        if stopped_s <= THROTTLED_SHARE * seconds:
            return ""
        quota = "a processor quota" if now.cores is None else f"the processor quota of {now.cores:g} cores"
        return f"{quota} stopped the processes for {stopped_s:.2f} s"
