"""The latencies that the swarm tells, against the truth.

    python -m benchmarks.latency                  both of these, ten rounds of the first
    python -m benchmarks.latency hold --runs 3    a server that holds each message for exactly 5 ms
    python -m benchmarks.latency stop             a server that is stopped for 500 ms in the middle

hold: the same server (hold_server.c) with a hold of 5 ms and with none, in turns. The difference of the two p50 is to
be 5 ms within 2 %: nothing of the floor is in it. At 300 messages a second a message leaves in the middle between two
that arrive (1.5 intervals), so that the sending of one does not delay the reading of another.

stop: SIGSTOP, and SIGCONT 500 ms later, from outside, in the middle of a load on a schedule. Whatever was due meanwhile
has waited for the rest of the stop, the schedule going on: of T seconds with a stop of S seconds, percentile p is
S - (1 - p) T where that is positive, and the floor where not. A generator that waits with a stopped server (coordinated
omission) tells hardly anything of it.

Prints Markdown tables; the exit status is 1 when something is not as it should be.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import anyio
from hdrh.histogram import HdrHistogram

from benchmarks.programs import c_program, figures, here, server, take_places
from harness import plugins
from harness.codec import Decoder, bodies_of
from harness.errors import HarnessError
from harness.league.trial import Cores
from harness.load import latency
from harness.load.clients.clients import Clients
from harness.load.swarm import Swarm
from harness.model import Implementation
from harness.servers.launch import launch
from harness.servers.process import Server

HOLD_MS = 5
HOLD_RATE_PER_S = 300
STOP_S, STOP_RATE_PER_S = 0.5, 1000
CLIENTS, SENDERS, BODY_BYTES = 10, 4, 32
HOLD_TOLERANCE = 0.02  # of the hold
STOP_TOLERANCE = 0.02  # of the stop
PERCENTILES = (50, 90, 92, 95, 97, 99, 99.9)
HEARD_S = 30.0
SPECTATOR = 200_000  # a number for its name, beyond those of the swarm


@dataclass(frozen=True)
class Stop:
    """What is known of a load in which the server was stopped; times in monotonic ns.

    Attributes:
        no_earlier_ns: the load's schedule did not begin before.
        began_ns, ended_ns: between these the server was stopped, and the schedule had begun.
        latencies: of all messages.
    """

    no_earlier_ns: int
    began_ns: int
    ended_ns: int
    rate_per_s: float
    latencies: HdrHistogram

    def surely_waited(self, at_least_ns: int) -> int:
        """Return how many messages must have waited so long, whatever the machine was doing.

        What was due between the two moments has waited until the second. Of these were sent, on a schedule that
        leaves out nothing, all that are among the first so many.
        """
        all_sent_until_ns = self.no_earlier_ns + int(self.latencies.get_total_count() / self.rate_per_s * 1e9)
        until_ns = min(self.ended_ns - at_least_ns, all_sent_until_ns)
        return max(0, int((until_ns - self.began_ns) / 1e9 * self.rate_per_s) - 1)

    def waited(self, at_least_ns: int) -> int:
        """Return how many messages have waited so long."""
        recorded = self.latencies.get_recorded_iterator()
        return sum(one.count_at_value_iterated_to for one in recorded if one.value_iterated_to >= at_least_ns)


async def stopped(
    implementation: Implementation, *, rate_per_s: float, seconds: float, stop_s: float, core: Sequence[int] = ()
) -> Stop:
    """Stop a server with SIGSTOP, for so long, as soon as a load on a schedule has begun; the load is on `core`."""
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
                    await anyio.to_thread.run_sync(first_of_the_load, spectator, codec.reply_decoder())
                    moments.extend(await stop_for(running, stop_s))

                def load() -> None:
                    if core:
                        os.sched_setaffinity(0, core)  # of this thread
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


def first_of_the_load(spectator: socket.socket, decoder: Decoder) -> None:
    """Return when a message of the load has been heard: those of a load begin with digits, others do not."""
    spectator.settimeout(HEARD_S)
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


async def hold(runs: int, seconds: float, cores: Cores) -> tuple[list[str], bool]:
    """Measure with a hold and without, in turns; return lines that tell it, and whether the difference is the hold."""
    with_hold = c_program("hold_server.c", "held", (f"HOLD_US={HOLD_MS * 1000}",))
    without = c_program("hold_server.c", "not_held")
    parameters = {
        "clients": CLIENTS,
        "senders": SENDERS,
        "rate_per_s": HOLD_RATE_PER_S,
        "body_bytes": BODY_BYTES,
        "warm_up_s": seconds / 4,
        "seconds": seconds,
    }
    p50_ms: dict[str, list[float]] = {with_hold.name: [], without.name: []}
    for number in range(runs):
        for one in (with_hold, without)[:: -1 if number % 2 else 1]:
            seen = (await figures(one, "paced", parameters, cores))["latency_p50_ns"] / 1e6
            p50_ms[one.name].append(seen)
            print(f"round {number}, {one.name}: p50 {seen:.3f} ms", file=sys.stderr)
    differences = [held - floor for held, floor in zip(*p50_ms.values(), strict=True)]
    told, difference = [*p50_ms.values(), differences], statistics.median(differences)
    right = abs(difference - HOLD_MS) <= HOLD_TOLERANCE * HOLD_MS
    cells = [f"{statistics.median(one):.3f} ({min(one):.3f}–{max(one):.3f})" for one in told]
    lines = [
        f"| p50 with {HOLD_MS} ms, ms | p50 with none, ms | difference, ms | off by |",
        "|---|---|---|---|",
        f"| {' | '.join(cells)} | {difference / HOLD_MS - 1:+.2%}{'' if right else ' **over 2 %**'} |",
    ]
    return lines, right


async def stop(
    one: Implementation, rate_per_s: float, seconds: float, stop_s: float, core: Sequence[int]
) -> tuple[list[str], bool]:
    """Stop a server in the middle; return lines that tell what should be and what was seen, and whether it is right."""
    seen = await stopped(one, rate_per_s=rate_per_s, seconds=seconds, stop_s=stop_s, core=core)
    stop_ms = (seen.ended_ns - seen.began_ns) / 1e6
    whole_ms = seen.latencies.get_total_count() / rate_per_s * 1e3
    lines, right = ["| percentile | expected, ms | seen, ms |", "|---|---|---|"], True
    for percent in (*PERCENTILES, 100):
        expected = stop_ms - (1 - percent / 100) * whole_ms
        found = latency.percentile_ns(seen.latencies, percent) / 1e6
        off = expected > 0 and abs(found - expected) > STOP_TOLERANCE * stop_ms
        right &= not off
        told = f"{expected:.1f}" if expected > 0 else "the floor"
        lines.append(f"| {percent:g} | {told} | {found:.1f}{' **off**' if off else ''} |")
    half_ns = int(stop_ms * 1e6 / 2)
    sure, waited = seen.surely_waited(half_ns), seen.waited(half_ns)
    right &= waited >= sure > 0
    lines += [
        "",
        f"The server was stopped for {stop_ms:.1f} ms of {seconds:g} s, {rate_per_s:g} messages/s, {CLIENTS} clients. "
        f"Of the messages, {sure} must have waited for half of that or longer; {waited} have.",
    ]
    return lines, right


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return 1 when something is not as it should be, 2 when a trial did not finish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=["hold", "stop", []], default=[])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--server", default="c_epoll", help="which one is stopped")
    asked = parser.parse_args(arguments)
    machine, cores = here(), take_places()
    right = True
    try:
        if "hold" in (asked.what or ["hold"]):
            lines, well = anyio.run(hold, asked.runs, asked.seconds, cores)
            print(f"Held for {HOLD_MS} ms, {asked.runs} rounds of {asked.seconds:g} s:", "", *lines, "", sep="\n")
            right &= well
        if "stop" in (asked.what or ["stop"]):
            lines, well = anyio.run(stop, server(asked.server), STOP_RATE_PER_S, asked.seconds, STOP_S, cores.load)
            print(*lines, "", sep="\n")
            right &= well
    except HarnessError as error:
        print(error, file=sys.stderr)
        return 2
    print(machine)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
