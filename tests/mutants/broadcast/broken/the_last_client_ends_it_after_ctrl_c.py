#!/usr/bin/env python3
"""SIGINT disconnects all clients, and the server ends when the last of them has gone: never, if there was none."""

import signal

import the_last_client_ends_it
from server import Server, main  # `the_last_client_ends_it` has made it known

CAUGHT_BY = "BC-END-2"


class Mutant(the_last_client_ends_it.Mutant):
    def end(self, *details: object) -> None:
        if details[0] != signal.SIGINT:
            Server.end(self)
        super().end(*details)


if __name__ == "__main__":
    main(Mutant)
