"""The network between the machines of a load, as a condition of its figures: delay, jitter, loss and rate."""

from __future__ import annotations

import re

import msgspec

from harness.errors import UsageError

UNITS = {"ms": 1.0, "us": 1e-3, "s": 1e3}
RATES = {"kbit": 1e-3, "mbit": 1.0, "gbit": 1e3}
DURATION = re.compile(rf"(\d+(?:\.\d+)?)({'|'.join(UNITS)})")
LOSS = re.compile(r"(\d+(?:\.\d+)?)%")
RATE = re.compile(rf"(\d+(?:\.\d+)?)({'|'.join(RATES)})")
EXAMPLE = "delay=20ms,jitter=2ms,loss=0.1%,rate=100mbit"


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """What is done to each packet of a load that leaves a machine, on the way to the server and on the way back.

    Attributes:
        delay_ms: how long it is held, one way.
        jitter_ms: the standard deviation of that.
        loss_percent: how many in a hundred are lost, at random.
        rate_mbit: how many million bits a second leave a machine at most; 0 for as many as it can.
    """

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    loss_percent: float = 0.0
    rate_mbit: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Network:
        """Return the network written as in EXAMPLE.

        Raises:
            UsageError: it is none, or its jitter or loss is impossible.
        """
        values: dict[str, float] = {}
        for word in text.split(","):
            name, _, value = word.strip().partition("=")
            known = {
                "delay": ("delay_ms", DURATION, UNITS),
                "jitter": ("jitter_ms", DURATION, UNITS),
                "loss": ("loss_percent", LOSS, {}),
                "rate": ("rate_mbit", RATE, RATES),
            }
            field, pattern, units = known.get(name, ("", LOSS, {}))
            match = pattern.fullmatch(value)
            if not field or not match or field in values:
                raise UsageError(f'"{word}" is no condition of a network: write {EXAMPLE}, or a part of it')
            values[field] = float(match[1]) * (units[match[2]] if units else 1.0)
        network = cls(**values)
        if network.jitter_ms and network.jitter_ms > network.delay_ms:
            raise UsageError("the jitter is larger than the delay: no packet can leave before it has come")
        if network.loss_percent >= 100 or (text and not any(values.values())):
            raise UsageError(f'"{text}" is no network on which anything could be measured: write {EXAMPLE}')
        return network

    @property
    def needs_netem(self) -> bool:
        """Whether it needs the queueing discipline `netem`: for a rate alone, every kernel that shapes traffic does."""
        return bool(self.delay_ms or self.jitter_ms or self.loss_percent)

    def __str__(self) -> str:
        jitter = f" ± {self.jitter_ms:g}" if self.jitter_ms else ""
        parts = [
            f"{self.delay_ms:g}{jitter} ms each way" if self.delay_ms else "",
            f"{self.loss_percent:g} % lost" if self.loss_percent else "",
            f"{self.rate_mbit:g} Mbit/s" if self.rate_mbit else "",
        ]
        return ", ".join(filter(None, parts))
