"""The registry of figures: what a trial may measure, each figure once, with its unit, its direction and its meaning.

A workload writes its figures into a `Figures`, which takes no name that the workload does not declare. Tables,
comparisons, curves and JSON take labels, units and directions from here. A workload declares groups of these figures,
and figures of its own where it measures something else (see `harness.kinds.Workload.figures`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class Better(Enum):
    """Which direction of a figure is better."""

    MORE = "more"
    LESS = "less"
    NEITHER = "neither"


class Unit(NamedTuple):
    """How a figure is shown.

    Attributes:
        symbol: what stands behind the number or in the heading; "" for a plain number.
        size: how much of the figure, as it is stored, makes one of this unit.
    """

    symbol: str
    size: float = 1.0


COUNT = Unit("")
THOUSANDTHS = Unit("", 1e-3)
MILLIONS_PER_S = Unit("M/s", 1e6)
MESSAGES_PER_S = Unit("messages/s")
MILLISECONDS = Unit("ms", 1e6)
NANOSECONDS = Unit("ns")
MEGABYTES = Unit("MB", 1e6)
KILOBYTES = Unit("KB", 1e3)
PERCENT = Unit("%", 0.01)


@dataclass(frozen=True)
class Figure:
    """A quantity that trials measure.

    Attributes:
        name: its name in code and on disk, with the unit in which it is stored at its end.
        label: its short name in tables.
        unit: how it is shown.
        better: which direction is better.
        meaning: what it is, in one line.
        is_raw: whether it is kept as data only (`harness report --format json`) and stands in no table.
    """

    name: str
    label: str
    unit: Unit
    better: Better
    meaning: str
    is_raw: bool = False

    @property
    def title(self) -> str:
        """The label with the unit."""
        return f"{self.label} {self.unit.symbol}".strip()


# --- the figures of the built-in workloads, in groups as workloads declare them

Group = tuple[Figure, ...]

CLIENTS = Figure("clients", "clients", COUNT, Better.NEITHER, "clients that had joined")

EVERY_TRIAL: Group = (
    Figure(
        "server_rss_peak_bytes",
        "peak",
        MEGABYTES,
        Better.LESS,
        "highest resident memory of the server so far",
        is_raw=True,
    ),
    Figure(
        "generator_rss_bytes", "load", MEGABYTES, Better.NEITHER, "resident memory of the load at the end", is_raw=True
    ),
    Figure("generator_limited", "limited", COUNT, Better.NEITHER, "1 where the load was the limit", is_raw=True),
)

# Shares of one core, where nothing else is said.
PROCESSOR: Group = (
    Figure("server_cpu_share", "server cpu", PERCENT, Better.NEITHER, "processor time of the server"),
    Figure(
        "server_user_share",
        "server user",
        PERCENT,
        Better.NEITHER,
        "processor time of the server in user mode",
        is_raw=True,
    ),
    Figure(
        "server_system_share", "server system", PERCENT, Better.NEITHER, "the kernel's time for the server", is_raw=True
    ),
    Figure("generator_cpu_share", "load cpu", PERCENT, Better.NEITHER, "processor time of the load's busiest process"),
    Figure("generator_user_share", "load user", PERCENT, Better.NEITHER, "the load's user time", is_raw=True),
    Figure("generator_system_share", "load system", PERCENT, Better.NEITHER, "the load's kernel time", is_raw=True),
    Figure(
        "other_cpu_share",
        "others' cpu",
        PERCENT,
        Better.NEITHER,
        "what other processes took of the cores of server and load",
        is_raw=True,
    ),
)

LOAD: Group = (
    CLIENTS,
    *PROCESSOR,
    Figure("dropped_share", "drops", PERCENT, Better.LESS, "deliveries that were due and never came"),
    Figure(
        "generator_processes", "load processes", COUNT, Better.NEITHER, "processes of the load, if several", is_raw=True
    ),
    Figure(
        "server_switches_per_delivery",
        "switches per 1000 deliveries",
        THOUSANDTHS,
        Better.LESS,
        "context switches of the server per delivery",
        is_raw=True,
    ),
    Figure(
        "server_read_write_calls_per_delivery",
        "calls per delivery",
        COUNT,
        Better.LESS,
        "read and write calls of the server per delivery, as the kernel counts them",
        is_raw=True,
    ),
)

FLAT_OUT: Group = (
    *LOAD,
    Figure("deliveries_per_s", "deliveries", MILLIONS_PER_S, Better.MORE, "messages received by all clients together"),
    Figure("server_cpu_ns_per_delivery", "cpu", NANOSECONDS, Better.LESS, "processor time of the server per delivery"),
    Figure("in_flight", "in flight", COUNT, Better.NEITHER, "messages sent that their senders have not yet received"),
)

SCHEDULED: Group = (
    *LOAD,
    Figure("offered_per_s", "offered", MESSAGES_PER_S, Better.NEITHER, "messages a second in the schedule"),
    Figure("sent_share", "sent", PERCENT, Better.NEITHER, "the part of the schedule that was sent", is_raw=True),
    Figure("latency_p50_ns", "p50", MILLISECONDS, Better.LESS, "median time from a message's due time to its sender"),
    Figure("latency_p99_ns", "p99", MILLISECONDS, Better.LESS, "99th percentile of the time from due to sender"),
    Figure(
        "send_lag_p99_ns", "send lag p99", MILLISECONDS, Better.NEITHER, "how late messages were sent, p99", is_raw=True
    ),
)

SLICES: Group = (
    Figure("generator_wait_share", "load waits", PERCENT, Better.LESS, "waiting for a busy core", is_raw=True),
    Figure("throttled_share", "throttled", PERCENT, Better.LESS, "stopped by a processor quota", is_raw=True),
    Figure("sent", "sent", COUNT, Better.NEITHER, "messages sent in a slice on a schedule", is_raw=True),
    Figure("missing", "missing", COUNT, Better.LESS, "messages of such a slice that never came back", is_raw=True),
)

BODIES: Group = (
    Figure("body_bytes", "body", COUNT, Better.NEITHER, "length of the bodies", is_raw=True),
    Figure("delivered_bytes_per_s", "delivered", COUNT, Better.MORE, "bytes of bodies received a second", is_raw=True),
)

TRANSIENT_CLIENTS: Group = (
    Figure("transient_clients", "transient clients", COUNT, Better.NEITHER, "clients that came and left", is_raw=True),
    Figure(
        "transient_clients_without_delivery",
        "without delivery",
        COUNT,
        Better.LESS,
        "transient clients that left before they had received anything",
        is_raw=True,
    ),
    Figure(
        "transient_first_message_p50_ns",
        "first message p50",
        MILLISECONDS,
        Better.LESS,
        "median time from the moment a client was due to connect to its first message",
        is_raw=True,
    ),
    Figure(
        "transient_first_message_p99_ns",
        "first message p99",
        MILLISECONDS,
        Better.LESS,
        "99th percentile of the time from the moment a client was due to connect to its first message",
    ),
)

STALLED_CLIENTS: Group = (
    Figure("stalled_clients", "stalled", COUNT, Better.NEITHER, "clients that did not read for a while", is_raw=True),
    Figure(
        "stalled_clients_disconnected",
        "disconnected",
        COUNT,
        Better.NEITHER,
        "stalled clients that the server disconnected",
        is_raw=True,
    ),
    Figure(
        "stalled_messages_per_client",
        "received when stalled",
        COUNT,
        Better.NEITHER,
        "messages that a stalled client received when it read again, on average",
        is_raw=True,
    ),
    Figure("rss_loaded_bytes", "loaded", MEGABYTES, Better.LESS, "memory while clients were stalled", is_raw=True),
    Figure("rss_growth_bytes", "growth", MEGABYTES, Better.LESS, "memory the server gained meanwhile", is_raw=True),
)

IDLE_MEMORY: Group = (
    CLIENTS,
    Figure("rss_empty_bytes", "empty", MEGABYTES, Better.LESS, "resident memory without clients", is_raw=True),
    Figure("rss_idle_bytes", "memory", MEGABYTES, Better.LESS, "resident memory with idle clients"),
    Figure("rss_per_client_bytes", "memory per client", KILOBYTES, Better.LESS, "memory that an idle client adds"),
    Figure(
        "connections_per_gb",
        "clients per GB",
        COUNT,
        Better.MORE,
        "idle clients that a gigabyte would hold",
        is_raw=True,
    ),
)

ALL_CONNECTED = Figure("all_connected_ns", "all connected", MILLISECONDS, Better.LESS, "time to connect", is_raw=True)

MASS_CONNECT: Group = (
    CLIENTS,
    *PROCESSOR,
    ALL_CONNECTED,
    Figure("all_joined_ns", "all joined", MILLISECONDS, Better.LESS, "time until each client has received a message"),
    Figure("connections_per_s", "connections", COUNT, Better.MORE, "connections a second", is_raw=True),
)

MASS_IDLE: Group = (
    *IDLE_MEMORY,
    *PROCESSOR,
    ALL_CONNECTED,
    Figure("clients_unsupported", "unsupported", COUNT, Better.NEITHER, "more clients than descriptors", is_raw=True),
    Figure("clients_refused", "refused", COUNT, Better.LESS, "clients that the server did not take", is_raw=True),
    Figure(
        "broadcast_ns", "broadcast to all", MILLISECONDS, Better.LESS, "time of a message to the last client, median"
    ),
    Figure("broadcast_worst_ns", "worst broadcast", MILLISECONDS, Better.LESS, "longest broadcast to all", is_raw=True),
)

CAPACITY: Group = (
    *SCHEDULED,
    Figure("overloaded", "overloaded", COUNT, Better.LESS, "1 where a step ended early for overload", is_raw=True),
    Figure("capacity_per_s", "capacity", MILLIONS_PER_S, Better.MORE, "highest rate with a held p99 and hardly a drop"),
    Figure("capacity_at_least", "lower bound", COUNT, Better.NEITHER, "1 where capacity is a lower bound", is_raw=True),
    Figure("capacity_low_per_s", "holds", COUNT, Better.MORE, "highest rate that held", is_raw=True),
    Figure("capacity_high_per_s", "fails", COUNT, Better.MORE, "lowest rate that did not hold", is_raw=True),
)


# --- the registry


class UnknownFigureError(LookupError):
    """A figure was written or asked for that nothing declares."""


def registry(*groups: Iterable[Figure]) -> Mapping[str, Figure]:
    """Return figures by name.

    Raises:
        ValueError: two different figures have one name.
    """
    known: dict[str, Figure] = {}
    for figure in (figure for group in groups for figure in group):
        if known.setdefault(figure.name, figure) != figure:
            raise ValueError(f'two figures are called "{figure.name}"')
    return known


BUILT_IN = registry(
    EVERY_TRIAL,
    FLAT_OUT,
    SCHEDULED,
    SLICES,
    BODIES,
    TRANSIENT_CLIENTS,
    STALLED_CLIENTS,
    MASS_CONNECT,
    MASS_IDLE,
    CAPACITY,
)


class Figures(MutableMapping[str, float]):
    """The figures of one trial, by name; it takes only those that it knows.

    Args:
        declared: what the workload declares; the figures of every trial are known besides. By default all built-in
            figures.
    """

    def __init__(self, declared: Iterable[Figure] | None = None) -> None:
        self._known = BUILT_IN if declared is None else registry(EVERY_TRIAL, declared)
        self._values: dict[str, float] = {}

    def __setitem__(self, name: str, value: float) -> None:
        if name not in self._known:
            where = "harness/figures.py" if self._known is BUILT_IN else "the workload's `figures`"
            raise UnknownFigureError(f'{where} has no figure "{name}"')
        self._values[name] = value

    def __getitem__(self, name: str) -> float:
        return self._values[name]

    def __delitem__(self, name: str) -> None:
        del self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __ior__(self, more: Mapping[str, float]) -> Figures:
        self.update(more)
        return self
