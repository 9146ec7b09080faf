"""Sets a network between machines, by the kernel's traffic control (tc), for the packets of one load only.

    python -m harness.cluster.shaping

Each machine delays, loses and limits what leaves it: on the interface that leads to the others, a class of HTB takes
the packets to and from the server's address and port, limits their rate, and passes them through `netem`, which delays
and loses them. All other packets (Dask's, a login by SSH) go past it. The kernel may take up to 64 KB of one
connection for one packet, where the interface cuts them.

That needs the right to do it (CAP_NET_ADMIN), and for anything but a rate a kernel with netem. What is set is removed
by a process of its own (this module), when its standard input ends: with the worker of Dask, by whatever signal. It
reads what to set as a line of JSON, and prints why that is impossible, or an empty line.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence

import msgspec

from harness.addresses import Address
from harness.network import Network
from harness.processes.workers import PYTHON
from harness.records import from_json, to_json

ROOT, CLASS, LEAF = "7a11:", "7a11:1", "7a12:"  # in hexadecimal digits; the first also says whose it is
UNLIMITED_MBIT = 100_000.0
QUEUED_PACKETS = 1_000_000  # in netem: what waits longer than there is room for would be lost unplanned
TC_S = 10.0
PROBLEMS = {  # words of tc → what they mean
    "qdisc kind is unknown": "its kernel has no netem, only a rate can be set: try `modprobe sch_netem`",
    "Operation not permitted": "its worker may not configure the network (CAP_NET_ADMIN)",
    **dict.fromkeys(
        ("File exists", "Exclusivity flag on", "NLM_F_REPLACE needed"),
        "{device} has a queueing discipline of its own, which is left as it is",
    ),
}


class Shaping(msgspec.Struct, frozen=True, kw_only=True):
    """What to set on a machine.

    Attributes:
        network: what is done to packets.
        server: the address of the server.
        peers: hosts of the machines on the other side of the load.
    """

    network: Network
    server: str
    peers: tuple[str, ...]


class Impossible(Exception):
    """The network cannot be set here, for the reason that this says."""


class Shaper:
    """What is set on this machine, from now until `end`, or until this process ends.

    Args:
        shaping: what to set.

    Attributes:
        problem: why it could not be set, or "".
    """

    def __init__(self, shaping: Shaping) -> None:
        self._process = subprocess.Popen(
            [*PYTHON, "harness.cluster.shaping"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # what kills the worker and its group must leave it the time to remove it
        )
        assert self._process.stdin and self._process.stdout
        self._input, self._output = self._process.stdin, self._process.stdout
        self._input.write(to_json(shaping) + b"\n")
        self._input.flush()
        answer = self._output.readline().decode()
        self.problem = answer.strip() if answer else "the process that sets its network has died"

    def end(self) -> None:
        """Remove what was set, and wait for that."""
        self._input.close()
        self._process.wait()
        self._output.close()


def commands(shaping: Shaping, device: str) -> list[list[str]]:
    """Return the commands that set a network on an interface.

    Args:
        shaping: what to set.
        device: the interface.
    """
    network, server = shaping.network, Address.parse(shaping.server)
    rate = f"{(network.rate_mbit or UNLIMITED_MBIT) * 1000:.0f}kbit"
    on = ["dev", device]
    found = [
        ["tc", "qdisc", "add", *on, "root", "handle", ROOT, "htb", "default", "0"],  # 0: unclassified packets go past
        ["tc", "class", "add", *on, "parent", ROOT, "classid", CLASS, "htb", "rate", rate, "quantum", "60000"],
    ]
    if network.needs_netem:
        words = ["netem", "limit", str(QUEUED_PACKETS), "delay", f"{network.delay_ms:g}ms"]
        words += [f"{network.jitter_ms:g}ms", "distribution", "normal"] if network.jitter_ms else []
        words += ["loss", f"{network.loss_percent:g}%"] if network.loss_percent else []
        found.append(["tc", "qdisc", "add", *on, "parent", CLASS, "handle", LEAF, *words])
    for end, port in (("dst", "dport"), ("src", "sport")):
        match = ["match", "ip", end, f"{server.host}/32", "match", "ip", port, str(server.port), "0xffff"]
        words = ["protocol", "ip", "prio", "1", "u32", *match, "flowid", CLASS]
        found.append(["tc", "filter", "add", *on, "parent", ROOT, *words])
    return found


def devices(peers: Sequence[str]) -> list[str]:
    """Return the interfaces that lead to some hosts.

    Raises:
        Impossible: there is no way to one of them.
    """
    found = []
    for peer in dict.fromkeys(peers):
        routes = json.loads(_run("", ["ip", "-json", "route", "get", peer]))
        found.append(str(routes[0]["dev"]))
    return sorted(set(found))


def set_up(shaping: Shaping) -> list[str]:
    """Set a network; return the interfaces on which it is.

    Raises:
        Impossible: it cannot be set; then nothing is.
    """
    if ":" in Address.parse(shaping.server).host:
        raise Impossible("the server has an IPv6 address, and only IPv4 packets are shaped")
    found = devices(shaping.peers)
    try:
        for device in found:
            remove([device])  # what another run has left, whose processes were all killed at once
            for command in commands(shaping, device):
                _run(device, command)
    except Impossible:
        remove(found)
        raise
    return found


def remove(found: Sequence[str]) -> None:
    """Remove what was set on these interfaces, and nothing else."""
    for device in found:
        words = ["tc", "qdisc", "del", "dev", device, "root", "handle", ROOT]
        subprocess.run(words, capture_output=True, timeout=TC_S, check=False)


def _run(device: str, command: Sequence[str]) -> str:
    """Run a command; return what it prints.

    Raises:
        Impossible: it failed.
    """
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=TC_S, check=False)
    except FileNotFoundError:
        raise Impossible(f"{command[0]} is not installed there: apt-get install iproute2") from None
    except subprocess.TimeoutExpired:
        raise Impossible(f"`{' '.join(command)}` has not ended after {TC_S:.0f} s") from None
    if ended.returncode:
        said = " ".join(ended.stderr.split())
        known = (meaning for words, meaning in PROBLEMS.items() if words in said)
        raise Impossible(next(known, f"`{' '.join(command)}`: {said}").format(device=device))
    return ended.stdout


def main() -> None:
    """Set what standard input says, and remove it when that ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    shaping = from_json(sys.stdin.buffer.readline(), Shaping)
    try:
        found, problem = set_up(shaping), ""
    except Impossible as error:
        found, problem = [], str(error)
    print(problem, flush=True)
    sys.stdin.buffer.read()
    remove(found)


if __name__ == "__main__":
    main()
