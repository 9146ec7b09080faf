"""Several hosts on this machine: network namespaces on one bridge, with addresses of their own.

The network between them may delay and lose packets: see `tests.wire`.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from harness.network import Network

SUBNET = "10.93.0"  # inside namespaces only
QUEUED = "100000"  # packets that wait for the process that carries them; what finds no room would be lost unplanned


class Host:
    """One host.

    Args:
        name: of its namespace.
        number: of the host, from 1.
    """

    def __init__(self, name: str, number: int) -> None:
        self.name, self.address = name, f"{SUBNET}.{number}"
        self._port = f"p{number}"  # of the switch

    def popen(self, command: Sequence[str], *, folder: Path, log: Path) -> subprocess.Popen[bytes]:
        """Start a command on the host; what it prints goes into a file."""
        with open(log, "ab") as file:
            return subprocess.Popen(
                ["ip", "netns", "exec", self.name, *command],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def processes(self) -> list[int]:
        """The ids of all processes on the host."""
        return [int(word) for word in _run("ip", "netns", "pids", self.name).split()]

    def kill(self) -> None:
        """Kill all processes on the host at once."""
        while alive := self.processes:  # again, because one may have started another meanwhile
            for pid in alive:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def cut(self, switch: str) -> None:
        """Take the host off the switch: what is sent to it and from it is lost."""
        _run("ip", "-n", switch, "link", "set", self._port, "nomaster")

    def heal(self, switch: str) -> None:
        """Put the host on the switch again."""
        _run("ip", "-n", switch, "link", "set", self._port, "master", "bridge")


def are_possible() -> bool:
    """Return whether this process may make network namespaces."""
    name = f"zt{secrets.token_hex(3)}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode == 0
    if made:
        _run("ip", "netns", "delete", name)
    return made


def may_delay() -> bool:
    """Return whether this process may also make the interfaces of a network that delays."""
    return os.access("/dev/net/tun", os.R_OK | os.W_OK) and are_possible()


@contextmanager
def hosts(count: int, network: Network | None = None) -> Iterator[tuple[list[Host], str]]:
    """Make hosts for the duration of the context, and a namespace with the switch, which is yielded by its name.

    At the end all processes on the hosts are killed.

    Args:
        count: how many hosts.
        network: what happens to each packet that leaves one; None for nothing.
    """
    prefix = f"zt{secrets.token_hex(3)}"
    switch = f"{prefix}s"
    with ExitStack() as stack:
        _add(switch, stack)
        _run("ip", "-n", switch, "link", "add", "bridge", "type", "bridge")
        _run("ip", "-n", switch, "link", "set", "bridge", "up")
        every = [Host(f"{prefix}{number}", number) for number in range(1, count + 1)]
        for host in every:
            _add(host.name, stack)
            stack.callback(host.kill)
        if network:
            stack.enter_context(_wire([host.name for host in every], network))
        for number, host in enumerate(every, 1):
            _run("ip", "-n", host.name, "link", "set", "lo", "up")
            if network:
                _run("ip", "link", "set", f"{host.name}h", "netns", host.name, "name", "eth0", "txqueuelen", QUEUED)
                _run("ip", "link", "set", f"{host.name}s", "netns", switch, "name", f"p{number}", "txqueuelen", QUEUED)
            else:
                ends = ("eth0", "type", "veth", "peer", "name", f"p{number}", "netns", switch)
                _run("ip", "-n", host.name, "link", "add", *ends)
            _run("ip", "-n", host.name, "address", "add", f"{host.address}/24", "dev", "eth0")
            _run("ip", "-n", host.name, "link", "set", "eth0", "up")
            _run("ip", "-n", switch, "link", "set", f"p{number}", "master", "bridge", "up")
        if network:
            _know_each_other(every)  # a request for an address may be lost, and with it what waits for the reply
        yield every, switch


@contextmanager
def _wire(names: Sequence[str], network: Network) -> Iterator[None]:
    """Let a process carry the packets of hosts, by the names of these, for the duration of the context."""
    delays = ["--delay-ms", f"{network.delay_ms}", "--jitter-ms", f"{network.jitter_ms}"]
    assert not network.rate_mbit, "it limits no rate"
    command = [sys.executable, "-m", "tests.wire", *names, *delays, "--loss-percent", f"{network.loss_percent}"]
    root = Path(__file__).parent.parent
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdin and process.stdout
        try:
            assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.stdin.close()


def _know_each_other(every: Sequence[Host]) -> None:
    """Tell each host the Ethernet addresses of all others."""
    found = {}
    for host in every:
        (link,) = json.loads(_run("ip", "-n", host.name, "-json", "link", "show", "eth0"))
        found[host.address] = link["address"]
    for host in every:
        for address, ethernet in found.items():
            if address != host.address:
                _run("ip", "-n", host.name, "neighbour", "add", address, "lladdr", ethernet, "dev", "eth0")


def _add(name: str, stack: ExitStack) -> None:
    _run("ip", "netns", "add", name)
    stack.callback(_run, "ip", "netns", "delete", name)


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
