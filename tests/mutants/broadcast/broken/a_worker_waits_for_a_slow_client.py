#!/usr/bin/env python3
"""A child process that waits for a slow client does not see that the server has ended."""

import os
import select
import signal
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-END-3"


class Mutant(Server):
    worker = 0

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.asked: set[int] = set()

    def announce(self) -> None:
        self.jobs, theirs = socket.socketpair()
        self.worker = os.fork()
        if not self.worker:
            self.work(theirs)
        theirs.close()
        super().announce()

    def work(self, jobs: socket.socket) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self.jobs.close()
        self.listener.close()
        self.selector.close()
        while True:
            data, descriptors, *_ = socket.recv_fds(jobs, 1, 1)
            if not data:
                os._exit(0)
            poll = select.poll()
            poll.register(descriptors[0], select.POLLOUT)
            poll.poll()
            os.close(descriptors[0])

    def on_full(self, client: Client, message: bytes) -> None:
        if client.number not in self.asked:
            self.asked.add(client.number)
            socket.send_fds(self.jobs, [b"w"], [client.sock.fileno()])

    def end(self, *_: object) -> None:
        os.kill(self.worker, signal.SIGKILL)
        super().end()


if __name__ == "__main__":
    main(Mutant)
