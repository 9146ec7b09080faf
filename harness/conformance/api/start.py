"""Starts the server under test for a case, and opens rooms on it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack

from anyio.abc import TaskGroup

from harness.addresses import Address, free_address
from harness.conformance.api.room import Room
from harness.model import Implementation, ServerUsage, Spec, Usage
from harness.servers.ahead import EarlyStarts
from harness.servers.launch import launch
from harness.servers.process import Server, Started, spawn


class Start:
    """Starts the server under test, as often and in whatever way a case needs; all servers end with the case.

    Attributes:
        rooms: the rooms that the case opened; their histories are judged when the case has ended.
        programs: the servers that were started (None for one that did not start) with their arguments.
        name: the implementation's name.
    """

    def __init__(
        self,
        spec: Spec,
        implementation: Implementation,
        stack: AsyncExitStack,
        tasks: TaskGroup,
        early: EarlyStarts | None = None,
    ) -> None:
        self.spec, self._implementation, self._stack, self.tasks = spec, implementation, stack, tasks
        self._early = early or EarlyStarts()
        self.rooms: list[Room] = []
        self._ready: list[tuple[Server, Usage]] = []  # with what it used then
        self.programs: list[tuple[Server | None, Sequence[str]]] = []
        self.name = implementation.name

    def address(self, host: str = "127.0.0.1") -> Address:
        """Reserve an address until the case ends."""
        return self._stack.enter_context(free_address(host))

    async def server(
        self,
        *,
        host: str = "127.0.0.1",
        address: Address | None = None,
        wrap: Sequence[str] = (),
        drain_stderr: bool = True,
    ) -> Server:
        """Start the server and wait for its ready line; see `harness.servers.launch.launch`.

        Args:
            host: the host of the address.
            address: where it listens; by default a free port of the host.
            wrap: a command that is put before the server's own.
            drain_stderr: whether its standard error is read.
        """
        server = await self._launch(address or self.address(host), wrap=wrap, drain_stderr=drain_stderr)
        if self._ready and self._ready[-1][0] is server:
            self._early.learn(server.ready_s, self._ready[-1][1].cpu_s)
        return server

    async def room_on_any_server(self) -> Room:
        """Return an empty room on a server that may have been started before the case began."""
        early = self._early.take()
        if early is None:
            return self.room(await self.server())
        self._stack.push(early.reservation)
        return self.room(await self._launch(early.address, started=early.started))

    async def _launch(
        self,
        address: Address,
        *,
        wrap: Sequence[str] = (),
        drain_stderr: bool = True,
        started: Started | None = None,
    ) -> Server:
        self.programs.append((None, [str(address)]))
        server = await self._stack.enter_async_context(
            launch(
                self._implementation,
                address=address,
                wrap=wrap,
                drain_stderr=drain_stderr,
                grace_s=0,
                started=started,
            )
        )
        self.programs[-1] = (server, [str(address)])
        if used := server.resource_usage():
            self._ready.append((server, used))
        return server

    async def program(self, *arguments: str, address: Address | None = None, terminal: bool = False) -> Server:
        """Start the server's program with any arguments, without waiting; see `harness.servers.process.spawn`.

        Args:
            arguments: all of its arguments.
            address: where it is expected to listen, if it does.
            terminal: whether its standard output is a terminal.
        """
        server = await self._stack.enter_async_context(
            spawn(
                self._implementation,
                arguments,
                address or Address("127.0.0.1", 0),
                terminal=terminal,
                grace_s=0,
            )
        )
        self.programs.append((server, arguments))
        return server

    def room(self, server: Server) -> Room:
        """Return an empty room on a server; its history is judged when the case has ended."""
        self.rooms.append(Room(self.spec, server, self.tasks))
        return self.rooms[-1]

    def forget_servers(self) -> None:
        """Forget the servers that were started so far: they no longer count as the case's."""
        self._ready.clear()
        self.programs.clear()

    def usage(self) -> tuple[ServerUsage, ...]:
        """Return for each server what it used when it was ready, and what it uses now or used when last measured."""
        return tuple(ServerUsage(before, server.resource_usage() or before) for server, before in self._ready)
