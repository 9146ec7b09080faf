"""Delays and loses the packets of hosts in user space, since not every kernel has netem.

    python -m tests.wire NAME... [--delay-ms N] [--jitter-ms N] [--loss-percent N]

For each name it makes two Ethernet interfaces, `NAMEh` for the host and `NAMEs` for the switch, prints "ready", and
goes on until its standard input ends. What the host sends arrives at the switch after the delay, or never; what the
switch sends arrives at once: so each packet is delayed once, by the host that it leaves, as netem does it.

The kernel cuts what it sends on such interfaces into segments first, so one loss is one packet.
"""

from __future__ import annotations

import argparse
import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000  # linux/if_tun.h
FRAME_BYTES = 1 << 16


def interface(name: str) -> int:
    """Make an Ethernet interface; return the descriptor from which what it sends is read."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return descriptor


class Wire:
    """Carries frames between pairs of interfaces.

    Args:
        names: of the pairs.
        delay_s: how long a frame of a host is held.
        jitter_s: the standard deviation of that.
        loss: the probability that a frame of a host is lost.
    """

    def __init__(self, names: list[str], delay_s: float, jitter_s: float, loss: float) -> None:
        self._delay_s, self._jitter_s, self._loss = delay_s, jitter_s, loss
        self._to_switch: dict[int, int] = {}
        self._to_host: dict[int, int] = {}
        for name in names:
            host, switch = interface(f"{name}h"), interface(f"{name}s")
            self._to_switch[host], self._to_host[switch] = switch, host
        self._held: list[tuple[float, int, int, bytes]] = []  # until when, the number of the frame, where to, the frame
        self._chance, self._frames = random.Random(1), 0

    def carry(self, until: int) -> None:
        """Carry frames until a descriptor can be read."""
        every = [until, *self._to_switch, *self._to_host]
        ready: list[int] = []
        while until not in ready:
            wait_s = max(0.0, self._held[0][0] - time.monotonic()) if self._held else None
            ready = select.select(every, [], [], wait_s)[0]
            for source in ready:
                if source != until:
                    self._take(source)
            now = time.monotonic()
            while self._held and self._held[0][0] <= now:
                _, _, target, frame = heapq.heappop(self._held)
                write(target, frame)

    def _take(self, source: int) -> None:
        try:
            frame = os.read(source, FRAME_BYTES)
        except OSError:  # none there, or the interface is not up yet
            return
        if source in self._to_host:
            write(self._to_host[source], frame)
        elif self._chance.random() >= self._loss:
            self._frames += 1
            until = time.monotonic() + max(0.0, self._chance.gauss(self._delay_s, self._jitter_s))
            heapq.heappush(self._held, (until, self._frames, self._to_switch[source], frame))


def write(target: int, frame: bytes) -> None:
    """Let an interface receive a frame; one that is down loses it."""
    try:
        os.write(target, frame)
    except OSError:
        return


def main() -> None:
    """Make the interfaces, and carry frames."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="NAME")
    parser.add_argument("--delay-ms", type=float, default=0.0)
    parser.add_argument("--jitter-ms", type=float, default=0.0)
    parser.add_argument("--loss-percent", type=float, default=0.0)
    options = parser.parse_args()
    wire = Wire(options.names, options.delay_ms / 1e3, options.jitter_ms / 1e3, options.loss_percent / 1e2)
    print("ready", flush=True)
    wire.carry(sys.stdin.fileno())


if __name__ == "__main__":
    main()
