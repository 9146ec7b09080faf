"""Clients that connect from a port that another client has, or has had a moment ago."""

from __future__ import annotations

import sys

import pytest

from harness.conformance.api import Room

TURNS = 3
OUR, ANOTHER = "127.0.0.1", "127.0.0.2"  # on Linux the whole network 127.0.0.0/8 is this machine


@pytest.mark.case(234, "COME-1")
async def test_a_port_tells_nothing_about_a_client(room: Room) -> None:
    """COME-1: Clients may come and go without sending a message, and the others are still served.

    A client is reset while the server is stopped (SIGSTOP), and another one comes from the same port; one from another
    address has this port at the same time, and leaves by FIN. Those that stay are served.
    """
    if sys.platform != "linux" or room.server.address.host != OUR:
        pytest.skip("clients cannot choose their address here")
    alice = await room.join_one()
    for _ in range(TURNS):
        # A port that a socket was bound to is given to nobody else; one that connecting has chosen may be.
        first = await room.connect(local=(OUR, 0))
        await room.barrier(alice, [alice, first])
        _, port = first.connection.socket.getsockname()
        with room.server_paused():
            other = await room.connect()  # so that there is somebody to accept before anybody has left
            await first.reset()
            second = await room.connect(local=(OUR, port))
        await room.barrier(alice, [alice, second, other])
        await other.leave()
        twin = await room.connect(local=(ANOTHER, port))
        await room.barrier(alice, [alice, second, twin])
        await room.barrier(twin, [alice, second, twin])
        await twin.leave()
        await room.barrier(second, [alice, second])
        await second.leave()
