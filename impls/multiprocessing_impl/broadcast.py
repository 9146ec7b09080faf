#!/usr/bin/env python3
"""Broadcast on multiprocessing: workers accept on one listener, and a hub process puts all events into one order.

Order: a worker sends every event (a client comes, a message, a client goes) through one queue to the hub, which
sends it through a queue to each worker. All workers receive all events in the same order.
A slow client: only its own writing thread waits for it. While its queue is full, it misses new messages. So no
worker waits for a client, and the hub may wait for any worker.
"""

import multiprocessing
import os
import queue
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from multiprocessing.connection import wait
from multiprocessing.queues import SimpleQueue
from typing import BinaryIO, Literal, NamedTuple

BACKLOG = 1024
QUEUE = 768  # messages that wait for the writing thread,
BATCH = 256  # and messages that it sends at once: together at most 256 KiB, because a message has at most 256 bytes
END = b""  # what the writing thread gets after the last message; every message has a header
RETRY_S = 0.1  # wait before the next try when no descriptor or thread is left
LINGER_S = 10.0  # for a client that has closed its sending side to read what is unsent
STACK = 256 * 1024  # bytes per thread: 2000 times the default 8 MB may exceed a container's limit
WORKERS = min(max(2, os.cpu_count() or 1), 8)


class Event(NamedTuple):
    """What the hub puts into an order; a client is known by its worker and its number there."""

    kind: Literal["come", "message", "go"]
    worker: int
    number: int
    message: bytes = b""


@dataclass(eq=False)  # clients are compared and hashed by identity
class Client:
    connection: socket.socket
    number: int
    outbox: queue.Queue[bytes] = field(default_factory=lambda: queue.Queue(QUEUE))
    gone: threading.Event = field(default_factory=threading.Event)  # set when its last event is back from the hub


class Worker:
    """The state of one worker process, whose threads serve its clients."""

    def __init__(self, name: int, to_hub: SimpleQueue[Event], from_hub: SimpleQueue[Event]) -> None:
        self.name, self.to_hub, self.from_hub = name, to_hub, from_hub
        self.clients: dict[int, Client] = {}  # all that are connected
        self.room: dict[int, Client] = {}  # those that have come, in the order of the events
        self.numbers = count()


def order(to_hub: SimpleQueue[Event], from_hub: Sequence[SimpleQueue[Event]]) -> None:
    """Send every event to all workers: the hub does nothing else."""
    while True:
        event = to_hub.get()
        for worker in from_hub:
            worker.put(event)


def work(name: int, listener: socket.socket, to_hub: SimpleQueue[Event], from_hub: SimpleQueue[Event]) -> None:
    """Run a worker process: its main thread takes the events from the hub, one accepts, and each client has two."""
    threading.stack_size(STACK)
    worker = Worker(name, to_hub, from_hub)
    threading.Thread(target=accept, args=(worker, listener), daemon=True).start()
    threading.Thread(target=end_with_hub, daemon=True).start()
    receive(worker)


def end_with_hub() -> None:
    """End this worker when the hub has ended, whatever has ended that."""
    if hub := multiprocessing.parent_process():
        hub.join()
    os._exit(0)


def receive(worker: Worker) -> None:
    """Take all events in the common order."""
    while True:
        event = worker.from_hub.get()
        if event.kind == "message":
            for client in worker.room.values():
                offer(client, event.message)
        elif event.worker == worker.name:
            if event.kind == "come":
                worker.room[event.number] = worker.clients[event.number]
            else:
                worker.room.pop(event.number).gone.set()


def serve(worker: Worker, connection: socket.socket) -> None:
    client = Client(connection, next(worker.numbers))
    writer = threading.Thread(target=write, args=(client,), daemon=True)
    with connection:
        try:
            writer.start()
        except RuntimeError:
            return  # no second thread is available
        worker.clients[client.number] = client
        worker.to_hub.put(Event("come", worker.name, client.number))
        try:
            read(worker, client)
        finally:
            worker.to_hub.put(Event("go", worker.name, client.number))
            client.gone.wait()  # now it has received its own last message
            del worker.clients[client.number]
            linger(client, writer)


def read(worker: Worker, client: Client) -> None:
    """Send the client's messages to the hub, until its stream ends."""
    with suppress(OSError), client.connection.makefile("rb") as stream:  # a reset ends a stream, too
        for message in messages(stream):
            worker.to_hub.put(Event("message", worker.name, client.number, message))


def write(client: Client) -> None:
    """Send what the queue holds: all that is added during one send goes out with the next."""
    batch: list[bytes] = []
    while END not in batch:
        batch = [client.outbox.get()]
        while len(batch) < BATCH and not client.outbox.empty():
            batch.append(client.outbox.get())
        with suppress(OSError):  # the reading thread sees the error too, and ends the connection
            client.connection.sendall(b"".join(batch))


def linger(client: Client, writer: threading.Thread) -> None:
    """Wait until what is unsent is sent, but not for ever: the client may never read."""
    with suppress(queue.Full):
        client.outbox.put(END, timeout=LINGER_S)
        writer.join(LINGER_S)
    with suppress(OSError):
        client.connection.shutdown(socket.SHUT_RDWR)  # now `sendall` fails, and the queue is emptied
    client.outbox.put(END)  # the first may have found no room
    writer.join()  # before the descriptor is closed: its number may be another client's at once


def messages(stream: BinaryIO) -> Iterator[bytes]:
    """Yield whole messages, each with its header."""
    while header := stream.read(1):
        body = stream.read(header[0])
        if len(body) < header[0]:
            return  # the client has left in the middle of a message
        yield header + body


def offer(client: Client, message: bytes) -> None:
    """Drop policy: a client that is too far behind misses the message."""
    with suppress(queue.Full):
        client.outbox.put_nowait(message)


def accept(worker: Worker, listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            time.sleep(RETRY_S)
            continue
        try:
            threading.Thread(target=serve, args=(worker, connection), daemon=True).start()
        except RuntimeError:
            connection.close()
            time.sleep(RETRY_S)


# Boilerplate: the address, signals, the start.


def parse_address(arguments: list[str]) -> tuple[str, int]:
    pattern = r"(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})"
    match = re.fullmatch(pattern, arguments[0]) if len(arguments) == 1 else None
    if not match or int(match[3]) > 65535:
        print("usage: broadcast.py HOST:PORT (IPv6: [HOST]:PORT)", file=sys.stderr)
        sys.exit(2)
    return match[1] or match[2], int(match[3])


def main(address: tuple[str, int]) -> None:
    host, port = address
    shown = f"[{host}]" if ":" in host else host
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server(address, family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        sys.exit(f"cannot listen on {shown}:{port}: {error}")
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted connections inherit it
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # in the workers: Ctrl-C is for the hub, which ends them
    to_hub: SimpleQueue[Event] = multiprocessing.SimpleQueue()
    from_hub: list[SimpleQueue[Event]] = [multiprocessing.SimpleQueue() for _ in range(WORKERS)]
    workers = [
        multiprocessing.Process(target=work, args=(name, listener, to_hub, from_hub[name]), daemon=True)
        for name in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit())  # multiprocessing ends its daemons then
    print(f"listening on {shown}:{listener.getsockname()[1]}", flush=True)
    listener.close()
    threading.Thread(target=order, args=(to_hub, from_hub), daemon=True).start()
    wait([worker.sentinel for worker in workers])
    sys.exit("a worker has died, and its clients are disconnected")


if __name__ == "__main__":
    main(parse_address(sys.argv[1:]))
