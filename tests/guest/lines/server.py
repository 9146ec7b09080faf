#!/usr/bin/env python3
"""Each line goes to all clients: asyncio protocols; new lines are dropped for clients with much unsent data."""

import asyncio
import signal
import sys

room: set[asyncio.Transport] = set()


class Client(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.rest = transport, b""
        room.add(transport)

    def data_received(self, data: bytes) -> None:
        lines, end, self.rest = (self.rest + data).rpartition(b"\n")
        for transport in room if end else ():
            if transport.get_write_buffer_size() < 65536:
                transport.write(lines + end)

    def connection_lost(self, error: Exception | None) -> None:
        room.discard(self.transport)


async def main(address: str) -> None:
    host, _, port = address.rpartition(":")
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    server = await loop.create_server(Client, host.strip("[]"), int(port), backlog=1024)
    print(f"listening on {address}", flush=True)
    await stopped.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
