#!/usr/bin/env python3
"""A message is sent in two writes, and when the socket is not writable after its length byte, the body is forgotten."""

import select
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-7"


class Mutant(Server):
    one_by_one = True

    def join(self, sock: socket.socket) -> Client:
        # It is full soon. The kernel calls it writable while a third of it is free, and takes bytes until it is full.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        return super().join(sock)

    def send(self, client: Client, chunks: list[bytes]) -> int:
        first = chunks[0]
        if first[0] != len(first) - 1:  # what is left of a message
            return super().send(client, [first])
        super().send(client, [first[:1]])
        is_writable = bool(select.select([], [client.sock], [], 0)[1])
        return 1 + super().send(client, [first[1:]]) if is_writable else len(first)


if __name__ == "__main__":
    main(Mutant)
