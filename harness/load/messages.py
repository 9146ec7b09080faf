"""What a trial and the process of its load send to each other: a request and its answer."""

from __future__ import annotations

import msgspec


class LoadRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request to load a server.

    Attributes:
        address: of the server, as `harness.addresses.Address.parse` reads it.
        server_pid: the server's process.
        spec: the name of the spec, whose codec the clients use.
        workload: the name of the workload.
        parameters: of the workload.
        cores: the processor cores that the load may use; () for any. Several processes have one of them each.
        server_cores: the processor cores that the server may use; () for any.
        processes: how many processes make the load, where the workload can be split.
    """

    address: str
    server_pid: int
    spec: str
    workload: str
    parameters: dict[str, float]
    cores: tuple[int, ...] = ()
    server_cores: tuple[int, ...] = ()
    processes: int = 1


class LoadAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The results of a load.

    Attributes:
        figures: name → value, the unit at the end of the name.
        histogram: the latencies, encoded; "" where none were measured.
        violation: what the server did that no conforming server does; "" where it did nothing of that kind.
    """

    figures: dict[str, float] = {}
    histogram: str = ""
    violation: str = ""
