#!/usr/bin/env python3
"""Clients are looked up by descriptor, also for events of one that was closed in the same turn."""

import heapq
import select
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-5"


class Mutant(Server):
    def append(self, client: Client, message: bytes) -> None:
        super().append(client, message)
        self.flush(client)

    def turn(self) -> None:
        timeout = self.select_timeout()
        poll = self.selector._selector.poll  # type: ignore[attr-defined]
        for fd, events in poll(-1 if timeout is None else timeout):
            client = next((each for each in self.clients.values() if each.sock.fileno() == fd), None)
            if fd == self.listener.fileno():
                self.accept()
            elif client and events & (select.EPOLLHUP | select.EPOLLERR):
                self.disconnect(client)
            elif client:
                if events & select.EPOLLOUT:
                    self.dirty.add(client)
                if events & select.EPOLLIN:
                    self.read(client)
        now = time.monotonic()
        while self.timers and self.timers[0][0] <= now:
            heapq.heappop(self.timers)[2]()
        while self.dirty:
            self.flush(self.dirty.pop())


if __name__ == "__main__":
    main(Mutant)
