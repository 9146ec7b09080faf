"""What is recorded about a machine with every figure that was measured on it."""

from __future__ import annotations

import msgspec


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """A machine on which a run, or a part of it, was made.

    Attributes:
        processor: its model name.
        cores: how many the harness may use.
        memory_gib: its memory, in GiB.
        kernel: name and release.
        python: implementation and version.
        packages: the versions of some packages.
    """

    processor: str
    cores: int
    memory_gib: float
    kernel: str
    python: str
    packages: dict[str, str]

    @property
    def kind(self) -> str:
        """What decides whether figures of two machines can be compared, in words."""
        return f"{self.processor}, {self.cores} core{'s' if self.cores != 1 else ''}, {self.kernel}"
