"""Compares the latencies that the swarm measures with known ones.

    python -m benchmarks.latency                  both: some two minutes
    python -m benchmarks.latency --quick          both, to see that it works
    python -m benchmarks.latency hold             a server that holds each message for exactly 5 ms
    python -m benchmarks.latency stop             a server that is stopped for 500 ms in the middle

hold: the same server (hold_server.c) with a hold of 5 ms and with none, in short interleaved slices (see
`benchmarks/interleaved.py`). The difference of the two p50 must be 5 ms within 2 %; it contains nothing of the latency
without a hold. At 500 messages a second a message leaves in the middle between two that arrive (2.5 intervals), so that
sending one does not delay reading another.

stop: SIGSTOP, and SIGCONT 500 ms later, in the middle of a load on a schedule. Every message that was due meanwhile has
waited for the rest of the stop, since the schedule goes on: in T seconds with a stop of S seconds, percentile p is
S - (1 - p) T where that is positive, and otherwise the latency without a stop. A generator that waits with a stopped
server (coordinated omission) hardly measures the stop.

Prints Markdown tables; the exit status is 1 when a latency is wrong.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import anyio
import numpy as np
from hdrh.histogram import HdrHistogram

from benchmarks.interleaved import Alternative, Size, add_size, level, measure, print_rows, size_of
from benchmarks.programs import c_program, describe_machine, server, swarm_slices, use_server_core
from harness import plugins
from harness.codec import Decoder, bodies_of
from harness.errors import HarnessError
from harness.league.inference import differences
from harness.league.trial import Cores
from harness.load import latency
from harness.load.clients.clients import Clients
from harness.load.swarm import Swarm
from harness.model import Implementation
from harness.servers.launch import launch
from harness.servers.process import Server

HOLD_MS = 5
PACED, PACED_S = "paced", 0.1  # the kind of slices with a hold and without
FULL, QUICK = Size(blocks=12, rounds=20), Size(blocks=6, rounds=4)
STOP_S, STOP_RATE_PER_S = 0.5, 1000
CLIENTS, SENDERS, BODY_BYTES = 10, 4, 32
HOLD_TOLERANCE = 0.02  # as a share of the hold
STOP_TOLERANCE = 0.02  # as a share of the stop
PERCENTILES = (50, 90, 92, 95, 97, 99, 99.9)
FIRST_MESSAGE_S = 30.0
SPECTATOR = 200_000  # its number, for its name: beyond those of the swarm


@dataclass(frozen=True)
class Stop:
    """A load during which the server was stopped.

    Attributes:
        no_earlier_ns: a moment before the load's schedule began, in monotonic ns.
        began_ns: a moment when the server was stopped and the schedule had begun, in monotonic ns.
        ended_ns: a later moment, until which the server was stopped, in monotonic ns.
        rate_per_s: of the schedule.
        latencies: of all messages.
    """

    no_earlier_ns: int
    began_ns: int
    ended_ns: int
    rate_per_s: float
    latencies: HdrHistogram

    def surely_waited(self, at_least_ns: int) -> int:
        """Return how many messages must have waited so long, however busy the machine was.

        A message that was due between the two moments has waited until the second. The schedule omits no message, so
        those that were sent are the first ones of the schedule.
        """
        all_sent_until_ns = self.no_earlier_ns + int(self.latencies.get_total_count() / self.rate_per_s * 1e9)
        until_ns = min(self.ended_ns - at_least_ns, all_sent_until_ns)
        return max(0, int((until_ns - self.began_ns) / 1e9 * self.rate_per_s) - 1)

    def waited(self, at_least_ns: int) -> int:
        """Return how many messages have waited so long."""
        recorded = self.latencies.get_recorded_iterator()
        return sum(step.count_at_value_iterated_to for step in recorded if step.value_iterated_to >= at_least_ns)


async def stopped(
    implementation: Implementation, *, rate_per_s: float, seconds: float, stop_s: float, core: Sequence[int] = ()
) -> Stop:
    """Stop a server with SIGSTOP as soon as a load on a schedule has begun.

    Args:
        implementation: the server.
        rate_per_s: messages a second.
        seconds: how long the load takes.
        stop_s: how long the server is stopped.
        core: the processor core for the load; () for any.
    """
    async with launch(implementation) as running:
        codec = plugins.specs()[implementation.spec].codec
        swarm = Swarm(Clients(running.address, codec), running.pid)
        try:
            swarm.clients.connect(CLIENTS)
            swarm.clients.join()
            with socket.create_connection((running.address.host, running.address.port)) as spectator:
                spectator.sendall(codec.encode_join(SPECTATOR))
                no_earlier_ns = time.monotonic_ns()
                moments: list[int] = []

                async def stop() -> None:
                    await anyio.to_thread.run_sync(wait_for_the_load, spectator, codec.reply_decoder())
                    moments.extend(await stop_for(running, stop_s))

                def load() -> None:
                    if core:
                        os.sched_setaffinity(0, core)  # for this thread
                    swarm.paced(
                        swarm.clients.senders(SENDERS),
                        rate_per_s=rate_per_s,
                        text_bytes=BODY_BYTES,
                        warm_up_s=0,
                        seconds=seconds,
                    )

                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(stop)
                    await anyio.to_thread.run_sync(load)
        finally:
            swarm.clients.close()
    began_ns, ended_ns = moments
    return Stop(no_earlier_ns, began_ns, ended_ns, rate_per_s, latency.merge([swarm.histogram]))


def wait_for_the_load(spectator: socket.socket, decoder: Decoder) -> None:
    """Return when a message of the load has arrived: only those of a load begin with digits."""
    spectator.settimeout(FIRST_MESSAGE_S)
    while data := spectator.recv(65536):
        if any(body[:1].isdigit() for body in bodies_of(decoder.feed(data))):
            return


async def stop_for(running: Server, seconds: float) -> tuple[int, int]:
    """Stop a server; return two moments between which it did nothing, in monotonic ns."""
    os.kill(running.pid, signal.SIGSTOP)
    try:
        await anyio.to_thread.run_sync(os.waitid, os.P_PID, running.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        began_ns = time.monotonic_ns()
        await anyio.sleep(seconds)
        ended_ns = time.monotonic_ns()
    finally:
        os.kill(running.pid, signal.SIGCONT)
    return began_ns, ended_ns


def hold(size: Size, cores: Cores) -> bool:
    """Measure with a hold and without; print the table, and return whether the difference is not known to be wrong.

    Args:
        size: how much to measure.
        cores: those of the server and of the load.
    """
    servers = [
        c_program("hold_server.c", "held", (f"HOLD_US={HOLD_MS * 1000}",)),
        c_program("hold_server.c", "not_held"),
    ]
    alternatives = [
        Alternative(each.name, (PACED,), partial(swarm_slices, each, CLIENTS, {PACED: PACED_S}, cores))
        for each in servers
    ]
    logarithms = anyio.run(measure, alternatives, size.blocks, size.rounds)[PACED]
    p50_ms = np.exp(logarithms) * 1e3
    found = differences(p50_ms[:, :1] - p50_ms[:, 1:])
    mean, low, high = (float(values[0]) for values in (found.mean, found.low, found.high))
    lowest, highest = (HOLD_MS * (1 + sign * HOLD_TOLERANCE) for sign in (-1, 1))
    is_wrong = high < lowest or low > highest
    verdict = "**wrong**" if is_wrong else "right" if lowest <= low and high <= highest else "undecided"
    print_rows(
        [
            [f"p50 with {HOLD_MS} ms, ms", "p50 with none, ms", "difference, ms", f"{HOLD_MS} ms within 2 %"],
            [
                *(f"{level(logarithms, place) * 1e3:.3f}" for place in (0, 1)),
                f"{mean:.3f} [{low:.3f}, {high:.3f}]",
                verdict,
            ],
        ]
    )
    return not is_wrong


async def stop(
    implementation: Implementation, rate_per_s: float, seconds: float, stop_s: float, core: Sequence[int]
) -> tuple[list[str], bool]:
    """Stop a server in the middle; return the table of expected and measured latencies, and whether they agree."""
    load = await stopped(implementation, rate_per_s=rate_per_s, seconds=seconds, stop_s=stop_s, core=core)
    stop_ms = (load.ended_ns - load.began_ns) / 1e6
    whole_ms = load.latencies.get_total_count() / rate_per_s * 1e3
    lines, right = ["| percentile | expected, ms | measured, ms |", "|---|---|---|"], True
    for percent in (*PERCENTILES, 100):
        expected = stop_ms - (1 - percent / 100) * whole_ms
        measured = latency.percentile_ns(load.latencies, percent) / 1e6
        is_wrong = expected > 0 and abs(measured - expected) > STOP_TOLERANCE * stop_ms
        right &= not is_wrong
        bound = f"{expected:.1f}" if expected > 0 else "as without a stop"
        lines.append(f"| {percent:g} | {bound} | {measured:.1f}{' **wrong**' if is_wrong else ''} |")
    half_ns = int(stop_ms * 1e6 / 2)
    sure, waited = load.surely_waited(half_ns), load.waited(half_ns)
    right &= waited >= sure > 0
    lines += [
        "",
        f"The server was stopped for {stop_ms:.1f} ms of {seconds:g} s, {rate_per_s:g} messages/s, {CLIENTS} clients. "
        f"Of the messages, {sure} must have waited for half of that or longer; {waited} have.",
    ]
    return lines, right


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return 1 when a latency is wrong, 2 when something failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=["hold", "stop", []], default=[])
    parser.add_argument(
        "--seconds", type=float, default=5.0, help="how long the load takes in which a server is stopped"
    )
    parser.add_argument("--server", default="c_epoll", help="the server to stop")
    add_size(parser)
    options = parser.parse_args(arguments)
    size = size_of(options, FULL, QUICK)
    machine, cores = describe_machine(), use_server_core()
    right = True
    try:
        if "hold" in (options.what or ["hold"]):
            print(f"Held for {HOLD_MS} ms:\n")
            right &= hold(size, cores)
            print(f"\n{size.describe(machine)}\n")
        if "stop" in (options.what or ["stop"]):
            lines, is_right = anyio.run(
                stop, server(options.server), STOP_RATE_PER_S, options.seconds, STOP_S, cores.load
            )
            print(*lines, "", sep="\n")
            right &= is_right
    except HarnessError as error:
        print(error, file=sys.stderr)
        return 2
    print(machine)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
