"""What a trial and the process of its load send to each other: a request and its answer."""

from __future__ import annotations

import msgspec


class RemoteShares(msgspec.Struct, frozen=True, kw_only=True):
    """The processes of a load on other machines than the server's.

    Attributes:
        shares: where they listen for rank 0, in the order of their ranks.
        key: which both sides must prove to know, in hexadecimal digits.
    """

    shares: tuple[str, ...]
    key: str


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
        remote: the processes that make the load, where they are on other machines; None where they are on this one.
    """

    address: str
    server_pid: int
    spec: str
    workload: str
    parameters: dict[str, float]
    cores: tuple[int, ...] = ()
    server_cores: tuple[int, ...] = ()
    processes: int = 1
    remote: RemoteShares | None = None


class LoadAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The results of a load.

    Attributes:
        figures: name → value, the unit at the end of the name.
        histogram: the latencies, encoded; "" where none were measured.
        violation: what the server did that no conforming server does; "" where it did nothing of that kind.
        hindrance: what of this machine, or of the harness, ended the load before its time; "" where nothing did.
        stood_still_s: for how long a process of the load stood still meanwhile.
    """

    figures: dict[str, float] = {}
    histogram: str = ""
    violation: str = ""
    hindrance: str = ""
    stood_still_s: float = 0.0


class OpenServer(msgspec.Struct, frozen=True, kw_only=True, tag="open"):
    """A request to connect clients to a server and keep them, until the block ends.

    Attributes:
        entry: the number of the server in the block.
        address: of the server.
        server_pid: the server's process.
        spec: the name of the spec, whose codec the clients use.
        clients: how many clients stay.
        idle_clients: how many connect at first, to measure the server's memory with them; 0 for no more than stay.
        is_relay: whether the server only relays bytes.
        reference: the name of the reference (see `harness.kinds.Reference`) that is loaded in its own protocol, or "".
    """

    entry: int
    address: str
    server_pid: int
    spec: str
    clients: int
    idle_clients: int = 0
    is_relay: bool = False
    reference: str = ""


class LoadSlice(msgspec.Struct, frozen=True, kw_only=True, tag="slice"):
    """A request to load a server for one slice.

    Attributes:
        entry: the number of the server in the block.
        kind: of the slice, see `harness.load.resident.KINDS`.
        warm_up_s: how long to send before the measurement, on a schedule.
        seconds: how long to measure.
    """

    entry: int
    kind: str
    warm_up_s: float
    seconds: float


class CloseServer(msgspec.Struct, frozen=True, kw_only=True, tag="close"):
    """A request to end the load of a server, and to verify everything that it has delivered.

    Attributes:
        entry: the number of the server in the block.
    """

    entry: int


SliceMessage = OpenServer | LoadSlice | CloseServer
