#!/usr/bin/env python3
"""Each line goes to all clients: asyncio protocols; new lines are dropped for clients with much unsent data."""

import asyncio
import signal
import sys
from collections.abc import Iterable

UNSENT_BYTES = 65536
room: set["Client"] = set()


class Client(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.rest = transport, b""
        room.add(self)

    def data_received(self, data: bytes) -> None:
        lines, end, self.rest = (self.rest + data).rpartition(b"\n")
        if end:
            for client in self.receivers():
                client.deliver(lines + end)

    def receivers(self) -> Iterable["Client"]:
        return room

    def deliver(self, lines: bytes) -> None:
        if self.transport.get_write_buffer_size() < UNSENT_BYTES:
            self.transport.write(lines)

    def connection_lost(self, error: Exception | None) -> None:
        room.discard(self)


def ready_line(address: str) -> str:
    return f"listening on {address}"


async def serve(address: str, client: type[Client]) -> None:
    host, _, port = address.rpartition(":")
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    server = await loop.create_server(client, host.strip("[]"), int(port), backlog=1024)
    print(ready_line(address), flush=True)
    await stopped.wait()
    server.close()


def main(client: type[Client] = Client) -> None:
    asyncio.run(serve(sys.argv[1], client))


if __name__ == "__main__":
    main()
