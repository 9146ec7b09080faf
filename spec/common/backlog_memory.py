"""How much memory a server takes for clients that do not read, and whether that has a bound."""

from __future__ import annotations

from dataclasses import dataclass, field

MIB = 1024 * 1024
BOUND = 64 * MIB  # of growth, and a MiB for each stalled client; a server that exceeds it is offered more
RUNAWAY = 448 * MIB  # of growth beyond the bound
OFFERED_AT_LEAST = 32 * MIB  # memory that has stopped growing by then has a bound
OFFERING_AT_LEAST_S = 4.0  # to a server that takes them slowly,
TAKEN_AT_LEAST = 4 * MIB  # and no less than this: more than the kernel buffers on the way to a client
LEAST_SAMPLES = 4
FLAT = 0.02  # bytes of growth for each byte taken; a server that buffers it all for one client has 1
GROWING = 0.25  # likewise, for a server that has exceeded the bound
MEMORY_SHARE = 0.5  # of the machine's free memory


@dataclass
class BacklogMemory:
    """The memory of a server over the bytes that it took, while a number of clients does not read.

    Attributes:
        before: bytes of memory at the beginning.
        bound: bytes of growth.
        samples: bytes taken, and bytes grown.
    """

    before: int
    bound: int
    samples: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0)])

    @property
    def taken(self) -> int:
        """How many bytes the server took."""
        return self.samples[-1][0]

    @property
    def most(self) -> int:
        """The largest growth that was seen, in bytes."""
        return max(growth for _, growth in self.samples)

    def slope(self) -> float:
        """Return the bytes by which memory has grown for each byte taken, over the latter half of them."""
        taken, grown = self.samples[-1]
        half = next(sample for sample in self.samples if sample[0] >= taken / 2)
        return (grown - half[1]) / max(1, taken - half[0])

    def is_flat(self, seconds: float) -> bool:
        """Return whether memory has stopped growing, and was watched for long enough (in bytes, or in seconds)."""
        is_slow = self.taken >= TAKEN_AT_LEAST and seconds > OFFERING_AT_LEAST_S
        is_enough = is_slow or self.taken >= OFFERED_AT_LEAST
        return is_enough and len(self.samples) > LEAST_SAMPLES and self.slope() < FLAT

    def is_unbounded(self) -> bool:
        """Return whether memory has exceeded the bound and still grows, or has grown beyond all measure."""
        return self.most > self.bound + RUNAWAY or (self.most > self.bound and self.slope() > GROWING)
