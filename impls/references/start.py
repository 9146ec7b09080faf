"""Start a product as servers of the zoo are started: with an address, and one line when it is ready.

    python start.py CONFIGURATION COMMAND ... ADDRESS

Writes the configuration, with the host and the port in place of {host} and {port}, into a file that exists only in
memory, and becomes the command, with the name of this file as its last argument. Meanwhile another process, of which
nothing is left afterwards, tries to connect and prints `listening on ADDRESS`.
"""

from __future__ import annotations

import os
import socket
import sys
import time

WAIT_S = 30.0
STEP_S = 0.01


def main() -> None:
    configuration, *command, address = sys.argv[1:]
    host, _, port = address.rpartition(":")
    host, number = host.strip("[]"), int(port) or free_port(host.strip("[]"))
    descriptor = os.memfd_create("configuration", 0)  # without flags the command inherits it
    os.write(descriptor, configuration.replace("{host}", host).replace("{port}", str(number)).encode())
    if os.fork() == 0:  # its parent is nobody's when it ends, so that the product has no child that it does not know
        if os.fork() == 0:
            announce(host, number)
        os._exit(0)
    os.wait()
    os.dup2(2, 1)  # what a product prints must not be taken for the line
    os.execvp(command[0], [*command, f"/proc/self/fd/{descriptor}"])


def free_port(host: str) -> int:
    """Return a port that is free now: no product says which one it was given."""
    with socket.create_server((host, 0), family=family(host)) as listener:
        port: int = listener.getsockname()[1]
        return port


def announce(host: str, port: int) -> None:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection((host, port), WAIT_S).close()
        except OSError:
            time.sleep(STEP_S)
        else:
            print(f"listening on [{host}]:{port}" if ":" in host else f"listening on {host}:{port}", flush=True)
            return


def family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


if __name__ == "__main__":
    main()
