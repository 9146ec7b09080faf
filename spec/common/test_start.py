"""Starting: arguments, the ready line, the address."""

from __future__ import annotations

import socket
import statistics
from collections.abc import Callable

import anyio
import pytest

from harness.conformance.api import (
    Address,
    LaunchError,
    Room,
    Start,
    Violation,
    has_address,
    has_ipv6,
    listening_addresses,
    wait_until_ready,
)

EXIT_S = 20.0  # of the server's time: a runtime may take seconds to start
LOOPBACK = "127.0.0.1"
ELSEWHERE_S = 5.0  # of the server's time


@pytest.mark.gate(2)
@pytest.mark.smoke
@pytest.mark.case(3, "START-3")
async def test_the_ready_line_comes_through_a_pipe(start: Start) -> None:
    """START-3: The ready line reaches a reader at the other end of a pipe immediately.

    Standard output is a pipe here, as it is for every program that starts a server.
    """
    await start.server()


@pytest.mark.gate(1)
@pytest.mark.smoke
@pytest.mark.case(1, "START-1")
async def test_the_ready_line_is_exact(start: Start) -> None:
    """START-1: A server takes one argument, an address, and prints the one line `listening on ADDRESS` when it is
    ready.

    Standard output is a terminal here, so that a server that does not flush is not blamed for its text.
    """
    address = start.address()
    await wait_until_ready(await start.program(str(address), address=address, terminal=True))


@pytest.mark.gate(3)
@pytest.mark.smoke
@pytest.mark.case(2, "START-2")
async def test_a_client_can_connect_once_the_line_is_printed(start: Start) -> None:
    """START-2: A client can connect as soon as the ready line is printed.

    One attempt, at once, on each of three fresh servers.
    """
    for _ in range(3):
        await start.room(await start.server()).connect()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
@pytest.mark.case(5, "START-5")
async def test_the_ready_line_names_the_address_as_given(start: Start, host: str) -> None:
    """START-5: The ready line contains the address as it was given.

    `127.0.0.1:9000` stays `127.0.0.1:9000`, `[::1]:9000` stays as it is, and so does `localhost:9000`, where the server
    starts on them.
    """
    if ":" in host and not has_ipv6():
        pytest.skip("this machine has no IPv6 loopback")
    try:
        server = await start.server(address=Address(host, start.address().port))
    except LaunchError:
        if host == LOOPBACK:
            raise
        pytest.skip(f"the server does not start on {host}")
    line = (server.stdout.first_line or b"").decode(errors="replace")
    assert line == f"listening on {server.address}", f'asked for {server.address}, it printed "{line}"'


@pytest.mark.case(5, "START-6")
async def test_with_port_0_the_real_port_is_named(start: Start, note: Callable[[str], None]) -> None:
    """START-6: Given port 0, a server takes a free port and names the actual port in its ready line.

    Reported, not judged.
    """
    server = await start.server(address=Address("127.0.0.1", 0))
    assert server.address.port, "given port 0 it names port 0"
    await start.room(server).join()
    note("takes a free port and names it")


@pytest.mark.case(6, "START-7")
async def test_it_listens_on_its_address_only(room: Room) -> None:
    """START-7: A server listens on the address it was given and on no other.

    Another loopback address with the same port must refuse, and so must IPv6's; and no other port is open.
    """
    await room.join()
    await _must_not_listen_on(room, "127.0.0.2", "127.1.2.3", "::1")
    await _must_listen_there_only(room)


@pytest.mark.case(6, "START-7")
async def test_it_listens_on_another_loopback_address(start: Start) -> None:
    """START-7: A server listens on the address it was given and on no other.

    Given `127.0.0.5:PORT`, it serves there, and 127.0.0.1 must refuse.
    """
    if not has_address("127.0.0.5"):
        pytest.skip("this machine has no address 127.0.0.5")
    room = start.room(await start.server(host="127.0.0.5"))
    await room.join(2)
    await _must_not_listen_on(room, "127.0.0.1", "127.0.0.2")
    await _must_listen_there_only(room)


@pytest.mark.case(6, "START-7")
async def test_it_listens_on_its_ipv6_address_only(start: Start) -> None:
    """START-7: A server listens on the address it was given and on no other.

    Given `[::1]:PORT`, IPv4's loopback must refuse, and it listens on no other address; a server without IPv6 is
    skipped.
    """
    if not has_ipv6():
        pytest.skip("this machine has no IPv6 loopback")
    try:
        server = await start.server(host="::1")
    except LaunchError:
        pytest.skip("the server does not serve IPv6")
    room = start.room(server)
    await _must_not_listen_on(room, "127.0.0.1", "127.0.0.2")
    await _must_listen_there_only(room)


async def _must_not_listen_on(room: Room, *hosts: str) -> None:
    for host in filter(has_address, hosts):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.settimeout(EXIT_S)
            taken = probe.connect_ex((host, room.server.address.port)) == 0
        assert not taken, (
            f"given {room.server.address}, the server also takes connections on {host}, "
            "as if it were bound to the wildcard address"
        )


async def _must_listen_there_only(room: Room) -> None:
    """Raise Violation when the server listens anywhere else, but for a moment, as runtimes may do when they start."""

    def elsewhere() -> list[str]:
        return [address for address in listening_addresses(room.server) if address != str(room.server.address)]

    clock = room.clock()
    while (found := elsewhere()) and clock.read() < ELSEWHERE_S:
        await anyio.sleep(0.05)
    if found:
        raise Violation(f"given {room.server.address}, the server also listens on {', '.join(found)}")


@pytest.mark.case(203, "START-7")
async def test_on_localhost_it_listens_on_loopback_only(start: Start) -> None:
    """START-7: A server listens on the address it was given and on no other.

    Given `localhost:PORT`, it listens on no address that stands for all; a server that does not start on that name is
    skipped.
    """
    try:
        server = await start.server(address=Address("localhost", start.address().port))
    except LaunchError:
        pytest.skip("the server does not start on localhost")

    def wildcards() -> list[str]:
        return [each for each in listening_addresses(server) if each.startswith(("0.0.0.0:", "[::]:"))]

    clock = start.room(server).clock()
    while (found := wildcards()) and clock.read() < ELSEWHERE_S:  # see `_must_listen_there_only`
        await anyio.sleep(0.05)
    if found:
        raise Violation(f"given {server.address}, the server listens on {', '.join(found)}")


@pytest.mark.case(7, "START-8")
async def test_it_serves_an_ipv6_address(start: Start) -> None:
    """START-8: A server serves on an IPv6 address, written `[::1]:PORT`.

    The whole way: ready line, join, a message.
    """
    if not has_ipv6():
        pytest.skip("this machine has no IPv6 loopback")
    room = start.room(await start.server(host="::1"))
    alice, bob = await room.join(2)
    await room.deliver(alice, [b"over six"], [alice, bob])


@pytest.mark.parametrize("count", [0, 2])
@pytest.mark.case(8, "START-9")
async def test_a_wrong_number_of_arguments_is_refused(start: Start, count: int) -> None:
    """START-9: With no argument or more than one, a server exits with a non-zero status and prints no ready line.

    None, and two of them.
    """
    arguments = [str(start.address()) for _ in range(count)]
    await _must_refuse(start, f"with {count} arguments", *arguments)


@pytest.mark.parametrize("text", ["", "nonsense", "127.0.0.1", "127.0.0.1:", "127.0.0.1:port", "127.0.0.1:99999"])
@pytest.mark.case(9, "START-10")
async def test_a_malformed_address_is_refused_with_a_message(start: Start, text: str) -> None:
    """START-10: Given a malformed address, a server exits promptly with a non-zero status and a message on standard
    error.

    A non-zero status within seconds, and text on standard error.
    """
    last_words = await _must_refuse(start, f'given the address "{text}"', text)
    assert last_words, f'given the address "{text}", it exited without a message on standard error'


@pytest.mark.case(10, "START-11")
async def test_an_address_in_use_is_refused(start: Start) -> None:
    """START-11: When its address is in use, a server exits with a non-zero status and prints no ready line.

    Another program listens there already; then, elsewhere, the server itself.
    """
    address = start.address()
    with socket.socket() as holder:
        holder.bind((address.host, address.port))
        holder.listen()
        await _must_refuse(start, "given an address where another program listens", str(address))
    first = await start.server()
    await _must_refuse(start, "given an address where it is running already", str(first.address))
    await start.room(first).join(2)


async def _must_refuse(start: Start, situation: str, *arguments: str) -> str:
    """Start the program, expect a non-zero exit without a ready line; return its last words on standard error."""
    program = await start.program(*arguments)
    try:
        await wait_until_ready(program, EXIT_S)
    except LaunchError:
        pass
    else:
        raise Violation(f"{situation}, the server printed a ready line")
    assert program.status is not None, f"{situation}, the server had not exited after {EXIT_S:.0f} s"
    assert program.status, f"{situation}, the server exited with status 0"
    return program.stderr.last_words()


@pytest.mark.case(11, "START-12")
async def test_it_restarts_at_once_on_the_same_address(start: Start) -> None:
    """START-12: A server can be restarted on the same address immediately after it has ended, even if clients were
    connected.

    The first server ends while clients are connected, which leaves its side in TIME_WAIT.
    """
    address = start.address()
    first = start.room(await start.server(address=address))
    await first.join(3)
    first.expect_end()
    await first.server.stop(grace_s=2)
    second = start.room(await start.server(address=address))
    await second.join(2)


@pytest.mark.slow
@pytest.mark.case(14, "START-15")
async def test_the_time_until_ready_is_reported(start: Start, note: Callable[[str], None]) -> None:
    """START-15: The harness reports the time from start to the ready line.

    The median of five starts.
    """
    times = [(await start.server()).ready_s for _ in range(5)]
    note(f"ready after {statistics.median(times) * 1000:.0f} ms (median of {len(times)})")
