#!/usr/bin/env python3
"""A first draft of a broadcast server, to see what its lines cost: it writes every message to every client separately.

    harness bench asyncio benchmarks/drain/each.py benchmarks/drain/each_drained.py

It does not notice a client that does not read: here the memory grows, and with `each_drained.py`, which waits in
`drain()` after every write as the documentation of asyncio advises, all clients wait for that client. So neither is in
the zoo.
"""

import asyncio
import socket
import sys
from contextlib import suppress

room: set[asyncio.StreamWriter] = set()
order = asyncio.Lock()  # or a message could overtake another, while the task that writes that one waits


async def main(address: str, *, drained: bool) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        room.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                size = await reader.readexactly(1)
                message = size + await reader.readexactly(size[0])
                async with order:
                    for other in list(room):
                        other.write(message)
                        if drained:
                            with suppress(OSError):  # its own task will notice
                                await other.drain()
        room.discard(writer)
        writer.close()

    host, _, port = address.rpartition(":")
    listener = socket.create_server((host, int(port)), backlog=1024)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = await asyncio.start_server(serve, sock=listener, backlog=1024)
    print(f"listening on {host}:{listener.getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], drained=False))
