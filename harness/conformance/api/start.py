"""Starts the server under test for a case, and opens rooms on it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack

from anyio.abc import TaskGroup

from harness.addresses import Address, free_address
from harness.conformance.api.room import Room
from harness.model import Implementation, ServerUsage, Spec, Usage
from harness.servers.launch import launch
from harness.servers.process import Server, spawn


class Start:
    """Starts the server under test, as often and in whatever way a case wants; all end with the case."""

    def __init__(self, spec: Spec, implementation: Implementation, stack: AsyncExitStack, tasks: TaskGroup) -> None:
        self.spec, self._implementation, self._stack, self.tasks = spec, implementation, stack, tasks
        self.rooms: list[Room] = []
        self._ready: list[tuple[Server, Usage]] = []  # and what it used then
        self.programs: list[tuple[Server | None, Sequence[str]]] = []  # None: it did not start
        self.name = implementation.name

    def address(self, host: str = "127.0.0.1") -> Address:
        """Reserve an address for the length of the case."""
        return self._stack.enter_context(free_address(host))

    async def server(
        self,
        *,
        host: str = "127.0.0.1",
        address: Address | None = None,
        wrap: Sequence[str] = (),
        drain_stderr: bool = True,
    ) -> Server:
        """Start the server and wait for its ready line; see `harness.servers.launch.launch`."""
        address = address or self.address(host)
        self.programs.append((None, [str(address)]))
        server = await self._stack.enter_async_context(
            launch(
                self._implementation,
                address=address,
                wrap=wrap,
                drain_stderr=drain_stderr,
                grace_s=0,
            )
        )
        self.programs[-1] = (server, [str(address)])
        if used := server.resource_usage():
            self._ready.append((server, used))
        return server

    async def program(self, *arguments: str, address: Address | None = None, terminal: bool = False) -> Server:
        """Start the server's program with any arguments, and wait for nothing; see `harness.servers.process.spawn`."""
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
        """Count those that were started so far no longer as the case's."""
        self._ready.clear()
        self.programs.clear()

    def used(self) -> tuple[ServerUsage, ...]:
        """Return what each server used when it was ready, and uses now or used when that was last known."""
        return tuple(ServerUsage(before, server.resource_usage() or before) for server, before in self._ready)
