"""The network between the hosts of tests: it delays and loses as it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.network import Network
from tests import hosts
from tests.hosts import Host
from tests.machines import PATIENCE_S, wait_until

pytestmark = pytest.mark.skipif(
    not hosts.may_delay(), reason="this process may not make hosts whose packets are delayed"
)
GROUPS, LOSS_PERCENT, DELAY_MS = 10, 10, 5
PORT = 7000
ECHO = """
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
while True:
    server.sendto(*server.recvfrom(100))
"""
# Groups of packets, because a socket holds only some hundred; what comes late counts with the next group.
ASK = """
import socket, sys, time
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.connect((sys.argv[1], int(sys.argv[2])))
quiet_s, round_trips = float(sys.argv[4]), []
for group in range(int(sys.argv[3])):
    client.settimeout(None)
    for number in range(100):
        client.send(b"%f" % time.monotonic())
    client.settimeout(quiet_s)
    try:
        while len(round_trips) < 100 * (group + 1):
            sent = float(client.recv(100))
            round_trips.append(time.monotonic() - sent)
    except OSError:  # in time nothing more came, or a host could not be found because that was lost
        continue
print(len(round_trips), min(round_trips))
"""


def ask(every: list[Host], folder: Path, groups: int, quiet_s: float) -> tuple[int, float]:
    """Send groups of 100 packets to a host and back; return how many came, and the least round trip in s.

    A group ends when all have come, or nothing more for `quiet_s`.
    """
    log = folder / "echo.log"
    echo = every[0].popen([sys.executable, "-c", ECHO, every[0].address, str(PORT)], folder=folder, log=log)
    wait_until(lambda: bool(log.read_text()) or echo.poll() is not None, "the echo")
    assert echo.poll() is None, log.read_text()
    command = ["ip", "netns", "exec", every[1].name, sys.executable, "-c", ASK, every[0].address, str(PORT)]
    printed = subprocess.run([*command, str(groups), str(quiet_s)], capture_output=True, text=True, check=True).stdout
    came, least = printed.split()
    return int(came), float(least)


def test_each_packet_is_delayed_by_the_host_that_it_leaves(tmp_path: Path) -> None:
    with hosts.hosts(2, Network(delay_ms=DELAY_MS)) as (every, _):
        came, least_s = ask(every, tmp_path, 1, PATIENCE_S)
    assert came == 100
    assert least_s >= 2 * DELAY_MS / 1000


def test_packets_are_lost_at_random(tmp_path: Path) -> None:
    with hosts.hosts(2, Network(loss_percent=LOSS_PERCENT)) as (every, _):
        came, _ = ask(every, tmp_path, GROUPS, 0.2)
    expected = 100 * GROUPS * (1 - LOSS_PERCENT / 100) ** 2  # there and back
    assert expected / 1.2 < came < expected * 1.2, "the standard deviation is some 12 of 810"
