"""Starts a server and waits for its ready line, or explains what happened instead."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import anyio
import psutil

from harness.addresses import Address, free_address
from harness.errors import LaunchError
from harness.model import Implementation
from harness.processes import warden
from harness.processes.deadlines import completes_within
from harness.processes.output import HEAD_BYTES, shorten
from harness.servers.process import GRACE_S, Server, Started, spawn

READY_S = 20.0
ENDING_S = 2.0  # from the end of its standard output to its own


@asynccontextmanager
async def launch(
    implementation: Implementation,
    *,
    address: Address | None = None,
    host: str = "127.0.0.1",
    ready_s: float = READY_S,
    wrap: Sequence[str] = (),
    drain_stderr: bool = True,
    grace_s: float = GRACE_S,
    started: Started | None = None,
) -> AsyncIterator[Server]:
    """Start a server and wait for its ready line; end it and its descendants with the context.

    Args:
        implementation: the server.
        address: where it should listen; by default a free port of `host`.
        host: the host of that free port.
        ready_s: how long it may take to print its ready line; waiting for a processor does not count.
        wrap: words put before the command.
        drain_stderr: False leaves standard error unread, in a pipe of one page.
        grace_s: how long it may take to end before it is killed.
        started: its process, if it was started before on that address.

    Raises:
        LaunchError: it did not start, or did not print a correct ready line.
    """
    async with contextlib.AsyncExitStack() as stack:
        if address is None:
            address = stack.enter_context(free_address(host))
        server = await stack.enter_async_context(
            spawn(
                implementation,
                [str(address)],
                address,
                wrap=wrap,
                drain_stderr=drain_stderr,
                grace_s=grace_s,
                started=started,
            )
        )
        await wait_until_ready(server, ready_s)
        yield server


async def wait_until_ready(server: Server, ready_s: float = READY_S) -> None:
    """Wait for the ready line on a server's standard output, and take the server's address from it.

    Raises:
        LaunchError: the server ended, printed nothing, or printed something else.
    """
    expected = f'"listening on {server.address}" within {ready_s:.0f} s'
    timed_out = not await completes_within(partial(_first_line, server), ready_s, server.pid)
    if server.stdout.closed:
        # Either it is ending, or it has closed its standard output and keeps running.
        await completes_within(partial(_end, server), ENDING_S, server.pid)
    line = server.stdout.first_line
    if line is not None:
        _take_ready_line(server, line, expected)
        return
    last_words = server.stderr.last_words()
    printed = shorten(repr(server.stdout.head.decode(errors="replace")), 60) if server.stdout.head else ""
    if server.status is not None:
        happened, hint = f"{server.exit_description()} before its ready line", _why_it_exited(server)
    elif server.stdout.closed:
        happened, hint = "closed its standard output before its ready line, but is still running", ""
    elif timed_out and printed:
        happened = f"printed {printed} and no line end in {ready_s:.0f} s"
        hint = "the ready line must end with a line feed, and be flushed"
    elif timed_out:
        happened = f"printed no ready line in {ready_s:.0f} s"
        hint = "it hangs, or its standard output is not flushed into a pipe"
    else:
        happened, hint = f"printed {server.stdout.byte_count} bytes without a line end: {printed}", ""
    if server.status is None and (tried := server.what_it_tried()):
        hint = f"{tried}; {hint}" if hint else tried
    raise LaunchError(server.name, happened, expected=expected, hint=hint, last_words=last_words)


async def _end(server: Server) -> None:
    await server.wait()
    await wait_for_last_words(server)


async def _first_line(server: Server) -> None:
    """Wait until a server has printed its first line, or HEAD_BYTES without one, or closed its standard output."""
    while server.stdout.first_line is None and not server.stdout.closed and len(server.stdout.head) < HEAD_BYTES:
        await server.stdout.changed.wait()


async def wait_for_last_words(server: Server) -> None:
    """Wait until the standard error of a server that has ended was read, but not long: an orphan may hold it open."""
    with anyio.move_on_after(0.5):
        while not server.stderr.closed:
            await server.stderr.changed.wait()


def _why_it_exited(server: Server) -> str:
    last_words = server.stderr.last_words().lower()
    if server.status in (126, 127):
        return "a command that it runs is missing or not executable"
    if "address already in use" in last_words or "eaddrinuse" in last_words:
        return "something else listens there, or the server binds the address twice"
    if server.status == 0:
        return "it ended as if its work were done; does it wait for its clients?"
    return "see its last words" if last_words else "it wrote nothing to standard error"


def _take_ready_line(server: Server, line: bytes, expected: str) -> None:
    server.ready_s = time.monotonic() - server.started_at
    text = line.decode(errors="replace")
    words = text.split(" ")
    try:
        if words[:2] != ["listening", "on"] or len(words) != 3:
            raise ValueError
        announced = Address.parse(words[2])
    except ValueError:
        hint = "it is the ready line, but with a Windows line ending" if text.endswith("\r") else ""
        raise LaunchError(
            server.name,
            f"printed {shorten(repr(text))} as its first line",
            expected=expected,
            hint=hint or "print nothing before the ready line, and logs to standard error",
            last_words=server.stderr.last_words(),
        ) from None
    if server.address.port == 0:
        server.address = Address(server.address.host, announced.port)


def listening_addresses(server: Server) -> list[str]:
    """Return the TCP addresses on which the server or its descendants are seen to listen.

    A socket for both families that is bound to an IPv4 address, as Java's are, counts as that address.
    """
    addresses = set()
    for pid in [server.pid, *warden.descendants(server.pid)]:
        with contextlib.suppress(psutil.Error):
            for connection in psutil.Process(pid).net_connections(kind="tcp"):
                if connection.status == psutil.CONN_LISTEN and connection.laddr:
                    addresses.add(str(Address(connection.laddr.ip.removeprefix("::ffff:"), connection.laddr.port)))
    return sorted(addresses)


def actual_address_note(server: Server) -> str:
    """Return, as the rest of a sentence, where a server listens whose own address refuses connections."""
    addresses = listening_addresses(server)
    return f"; it listens on {', '.join(addresses)} instead" if addresses else "; it listens nowhere"
