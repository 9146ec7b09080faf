"""A worker that runs trials: a fresh server, a load from a process of its own, the figures of both.

    python -m harness.league.trial

Each line of standard input is a request for a trial (`harness.league.messages`), each line of standard output its
result. Where the machine has several cores, the server stays on the first one and the load on the others; the load then
has a process for each of its cores, up to MOST_PROCESSES.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import NamedTuple

import anyio

from harness.addresses import Address
from harness.errors import HarnessError, LaunchError
from harness.league.disturbance import why_disturbed
from harness.league.messages import TrialRequest
from harness.load.messages import LoadAnswer, LoadRequest
from harness.model import TrialPlan, TrialResult
from harness.processes import own_children
from harness.processes.deadlines import completes_within
from harness.processes.disturbances import MachineWatch
from harness.processes.limits import raise_soft_limits
from harness.processes.workers import PYTHON
from harness.records import from_json, to_json
from harness.servers.launch import launch, wait_for_last_words
from harness.servers.process import Server
from harness.servers.resources import raise_descriptor_limit, usable_cores, what_ran_out

EXIT_WAIT_S = 1.0
MOST_PROCESSES = 4  # of a load: more have nothing to do against a server on one core
MARGIN_S = 90.0  # beyond the seconds that the plan asks for: to join, to drain, to verify


class Cores(NamedTuple):
    """The processor cores that the server and the load may use; () for any."""

    server: tuple[int, ...] = ()
    load: tuple[int, ...] = ()


async def run_trial(request: TrialRequest, cores: Cores) -> TrialResult:
    """Run one trial; if the server fails, the result says why the trial did not finish."""
    plan, begun, watch = request.plan, time.monotonic(), MachineWatch()
    started = datetime.now(UTC).isoformat(timespec="seconds")
    answer, reason, has_all = LoadAnswer(), "", ""
    try:
        address = Address.parse(request.address) if request.address else None
        async with launch(request.implementation, address=address, grace_s=2) as server:
            answer, reason = await _load(server, request, cores)
            if reason:
                has_all = what_ran_out(server.pid)
            if reason and not answer.hindrance:  # its connections may have ended a moment before the server itself
                await completes_within(server.wait, EXIT_WAIT_S, server.pid)
            if server.status is not None and not answer.hindrance:
                await wait_for_last_words(server)
                reason = f"the server {server.exit_description()} in the middle of the trial"
                if words := server.stderr.last_words():
                    reason += f"; its last words: {words}"
    except LaunchError as error:
        reason = str(error)
    except HarnessError as error:  # no port is free, no process can be started
        reason = has_all = str(error)
    seconds = time.monotonic() - begun
    ran_out = answer.hindrance or has_all or (watch.ran_out(reason) if reason else "")
    stood_still = watch.stood_still()
    return TrialResult(
        plan=plan,
        started=started,
        seconds=round(seconds, 3),
        figures={} if reason else answer.figures,
        histogram="" if reason else answer.histogram,
        did_not_finish=ran_out or ("" if stood_still else reason),
        disturbed=ran_out
        or stood_still
        or ("" if reason else watch.throttling(seconds) or why_disturbed(answer.figures, cores_apart=bool(cores.load))),
    )


def load_limit_s(plan: TrialPlan) -> float:
    """Return how long the load of a trial may take, in seconds."""
    return sum(value for name, value in plan.parameters.items() if name.endswith("seconds")) + MARGIN_S


async def _load(server: Server, trial: TrialRequest, cores: Cores) -> tuple[LoadAnswer, str]:
    """Return the answer of the load, and why the trial did not finish, or ""."""
    plan = trial.plan
    request = LoadRequest(
        address=str(server.address),
        server_pid=server.pid,
        spec=plan.spec,
        workload=plan.workload,
        parameters=plan.parameters,
        cores=cores.load,
        server_cores=cores.server,
        processes=min(max(1, len(cores.load)), MOST_PROCESSES),
        remote=trial.remote,
    )
    limit_s = load_limit_s(plan)
    process = await anyio.open_process([*PYTHON, "harness.load"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    own_children.mark(process.pid)
    output, errors = bytearray(), bytearray()

    async def read(stream: anyio.abc.ByteReceiveStream, into: bytearray) -> None:
        async for data in stream:
            into += data

    assert process.stdin and process.stdout and process.stderr
    async with process:
        with anyio.move_on_after(limit_s) as limit:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read, process.stdout, output)
                tasks.start_soon(read, process.stderr, errors)
                await process.stdin.send(to_json(request))
                await process.stdin.aclose()
        if limit.cancelled_caught:
            process.kill()
            return LoadAnswer(), f"the trial had not ended after {limit_s:.0f} s"
        status = await process.wait()
    if status:
        last = errors.decode(errors="replace").strip().splitlines()[-1:]
        fault = f"the harness's own fault: the load ended with status {status}: {''.join(last)}"
        return LoadAnswer(hindrance=fault), fault
    answer = from_json(bytes(output), LoadAnswer)
    return answer, answer.hindrance or answer.violation


def split_cores() -> Cores:
    """Return one core for the server and the others for the load; none for either on a machine with one core."""
    usable = usable_cores()
    return Cores((usable[0],), tuple(usable[1:])) if len(usable) > 1 else Cores()


def main() -> None:
    """Run the requested trials until standard input ends."""
    raise_soft_limits()
    cores = split_cores()
    if cores.server:
        os.sched_setaffinity(0, cores.server)  # child processes inherit it; this process waits most of the time
    answers = os.dup(1)
    os.dup2(2, 1)
    with open(answers, "wb", buffering=0) as out:
        for line in sys.stdin.buffer:
            request = from_json(line, TrialRequest)
            raise_descriptor_limit(int(request.plan.parameters.get("clients", 0)))  # the server inherits it
            result = anyio.run(run_trial, request, cores)
            out.write(to_json(result) + b"\n")


if __name__ == "__main__":
    main()
