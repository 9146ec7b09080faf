#!/usr/bin/env python3
"""A client that has closed its sending side has a timeout of the kernel's, set when the next look may be far away."""

import socket

import serves_the_half_closed_for_ever
from server import Client, main  # `serves_the_half_closed_for_ever` has made it known

CAUGHT_BY = "BC-COME-9"
TIMEOUT_MS = 10_000


class Mutant(serves_the_half_closed_for_ever.Mutant):
    def on_end(self, client: Client) -> None:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TIMEOUT_MS)
        super().on_end(client)


if __name__ == "__main__":
    main(Mutant)
