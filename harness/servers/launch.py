"""Starts a server and waits for its ready line; finds the words for whatever comes instead."""

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
from harness.processes.deadlines import in_time
from harness.processes.output import HEAD_BYTES, shortened
from harness.servers.process import GRACE_S, Server, spawn

READY_S = 10.0


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
) -> AsyncIterator[Server]:
    """Start a server and wait for its ready line; end it, and all it started, with the context.

    Args:
        address: where it shall listen; by default a free port of `host`.
        ready_s: how long it may take until its ready line; waiting for a processor does not count.
        wrap, drain_stderr, grace_s: see `spawn`.

    Raises:
        LaunchError: it did not start, or did not say that it is ready in the one right way.
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
            )
        )
        await wait_until_ready(server, ready_s)
        yield server


async def wait_until_ready(server: Server, ready_s: float = READY_S) -> None:
    """Wait for the ready line on a server's standard output, and take its address from it.

    Raises:
        LaunchError: it ended, fell silent or said something else instead.
    """
    expected = f'"listening on {server.address}" within {ready_s:.0f} s'
    in_vain = not await in_time(partial(_first_line, server), ready_s, server.pid)
    if server.stdout.closed:
        # Either it is ending, or it has closed its standard output and lives on.
        with anyio.move_on_after(1):
            await server.ended()
            await last_words_are_in(server)
    line = server.stdout.first_line
    if line is not None:
        _take_ready_line(server, line, expected)
        return
    last_words = server.stderr.last_words()
    printed = shortened(repr(server.stdout.head.decode(errors="replace")), 60) if server.stdout.head else ""
    if server.status is not None:
        happened, likely = f"{server.how_it_ended()} before its ready line", _why_it_exited(server)
    elif server.stdout.closed:
        happened, likely = "closed its standard output before its ready line, and lives on", ""
    elif in_vain and printed:
        happened = f"printed {printed} and no line end in {ready_s:.0f} s"
        likely = "the ready line must end with a line feed, and be flushed"
    elif in_vain:
        happened = f"printed no ready line in {ready_s:.0f} s"
        likely = "it hangs, or its standard output is not flushed into a pipe"
    else:
        happened, likely = f"printed {server.stdout.count} bytes without a line end: {printed}", ""
    raise LaunchError(server.name, happened, expected=expected, likely=likely, last_words=last_words)


async def _first_line(server: Server) -> None:
    """Wait until a server has printed its first line, or so much or so finally that there will be none."""
    while server.stdout.first_line is None and not server.stdout.closed and len(server.stdout.head) < HEAD_BYTES:
        await server.stdout.news.wait()


async def last_words_are_in(server: Server) -> None:
    """Wait until what a server that ended wrote to standard error has been read (an orphan may hold it open)."""
    with anyio.move_on_after(0.5):
        while not server.stderr.closed:
            await server.stderr.news.wait()


def _why_it_exited(server: Server) -> str:
    words = server.stderr.last_words().lower()
    if server.status in (126, 127):
        return "a command that it runs is not here, or not executable"
    if "address already in use" in words or "eaddrinuse" in words:
        return "something else listens there, or the server binds the address twice"
    if server.status == 0:
        return "it ended as if its work were done; does it wait for its clients?"
    return "see what it said last" if words else "it said nothing on standard error"


def _take_ready_line(server: Server, line: bytes, expected: str) -> None:
    server.ready_s = time.monotonic() - server.started_at
    said = line.decode(errors="replace")
    words = said.split(" ")
    try:
        if words[:2] != ["listening", "on"] or len(words) != 3:
            raise ValueError
        told = Address.parse(words[2])
    except ValueError:
        likely = "it is the ready line with a line end of Windows" if said.endswith("\r") else ""
        raise LaunchError(
            server.name,
            f"printed {shortened(repr(said))} as its first line",
            expected=expected,
            likely=likely or "print nothing before the ready line, and logs to standard error",
            last_words=server.stderr.last_words(),
        ) from None
    if server.address.port == 0:
        server.address = Address(server.address.host, told.port)


def where_it_listens(server: Server) -> list[str]:
    """Return the TCP addresses on which the server or a process below it listens, as far as can be seen."""
    found = []
    for pid in [server.pid, *warden.descendants(server.pid)]:
        with contextlib.suppress(psutil.Error):
            for one in psutil.Process(pid).net_connections(kind="tcp"):
                if one.status == psutil.CONN_LISTEN and one.laddr:
                    found.append(str(Address(one.laddr.ip, one.laddr.port)))
    return sorted(set(found))


def where_instead(server: Server) -> str:
    """Return where a server listens whose address refuses connections, as the rest of a sentence, or ""."""
    found = where_it_listens(server)
    return f"; it listens on {', '.join(found)} instead" if found else "; it listens nowhere"
