"""The socket of a case's client: what a cancelled sender began is finished, and every ending has its name."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from harness.conformance.api.connection import Connection, ConnectionLost

LARGE = bytes(range(256)) * 40_000  # more than the buffers of a socket hold


@pytest.fixture
def peer_and_socket() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        peer, _ = listener.accept()
    ours.setblocking(False)
    with peer, ours:
        yield peer, ours


def read_to_end(peer: socket.socket) -> bytes:
    with peer.makefile("rb") as file:
        return file.read()


async def test_what_a_cancelled_sender_began_is_sent_before_what_follows(
    peer_and_socket: tuple[socket.socket, socket.socket],
) -> None:
    peer, ours = peer_and_socket
    connection = Connection(ours)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(connection.send, LARGE)
        while not connection._unsent:
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    connection.send_eof()  # after all of it
    assert await anyio.to_thread.run_sync(read_to_end, peer) == LARGE
    connection.close()


async def test_what_the_peer_has_written_is_undelivered_until_it_is_read(
    peer_and_socket: tuple[socket.socket, socket.socket],
) -> None:
    peer, ours = peer_and_socket
    connection = Connection(ours)
    assert connection.undelivered_bytes() == 0
    peer.setblocking(False)
    sent = peer.send(LARGE)
    assert 0 < connection.undelivered_bytes() < sent  # the rest is in the buffer of this side
    while sent:
        sent -= len(await connection.receive(sent))
    with anyio.fail_after(60):
        while connection.undelivered_bytes():  # the last bytes may be acknowledged a moment later
            await anyio.sleep(0.01)
    connection.close()
    assert connection.undelivered_bytes() == 0


async def test_what_the_peer_has_not_read_is_counted(peer_and_socket: tuple[socket.socket, socket.socket]) -> None:
    peer, ours = peer_and_socket
    connection = Connection(ours)
    sent = ours.send(LARGE)
    unread = connection.unread_bytes()
    assert unread is not None and sent // 2 < unread < 2 * sent  # what is not acknowledged yet may count twice
    part = len(peer.recv(sent))
    while part < sent:
        part += len(peer.recv(sent))
    with anyio.fail_after(60):
        while connection.unread_bytes():  # the last bytes may be acknowledged a moment later
            await anyio.sleep(0.01)
    connection.close()


async def test_chunks_and_the_end_are_passed_on_until_reading_stops(
    peer_and_socket: tuple[socket.socket, socket.socket],
) -> None:
    peer, ours = peer_and_socket
    connection, taken = Connection(ours), list[bytes | None]()
    changed = anyio.Event()

    def take(data: bytes | None) -> None:
        taken.append(data)
        connection.stop_reading()
        changed.set()

    for sent in (b"one", b"two", b""):
        changed = anyio.Event()
        connection.start_reading(take)
        if sent:
            peer.sendall(sent)
        else:
            peer.shutdown(socket.SHUT_WR)
        await changed.wait()
    assert taken == [b"one", b"two", b""]
    connection.close()
    connection.start_reading(take)
    assert taken[-1] is None


async def test_a_reset_loses_the_connection_in_both_directions(
    peer_and_socket: tuple[socket.socket, socket.socket],
) -> None:
    peer, ours = peer_and_socket
    connection = Connection(ours)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()
    with pytest.raises(ConnectionLost):
        await connection.receive(100)
    with pytest.raises(ConnectionLost):
        await connection.send(b"hello")
    connection.close()
    with pytest.raises(ConnectionLost):
        await connection.send(b"hello")


async def test_a_reset_of_ours_is_one_for_the_peer(peer_and_socket: tuple[socket.socket, socket.socket]) -> None:
    peer, ours = peer_and_socket
    Connection(ours).reset()
    with pytest.raises(ConnectionResetError):
        peer.recv(1)


async def test_closing_ends_a_send_that_waits(peer_and_socket: tuple[socket.socket, socket.socket]) -> None:
    _peer, ours = peer_and_socket
    connection = Connection(ours)

    async def send() -> None:
        with pytest.raises(ConnectionLost):
            await connection.send(LARGE)

    with anyio.fail_after(240):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            while not connection._unsent:
                await anyio.lowlevel.checkpoint()
            connection.close()
