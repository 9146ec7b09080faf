"""The workers of the pool: a pytest that collects the cases once, forks, and runs the cases it is asked to run.

    python -m harness.conformance.worker CHANNELS CASES_FOLDER [PYTEST_ARGUMENT ...] (more folders among them)

Each worker's channel (see `harness.processes.forks`) carries the records of `harness.conformance.messages`, a line of
JSON each.
"""

from __future__ import annotations

import contextlib
import io
import os
import socket
import sys
import time
from collections.abc import Sequence

import anyio
import msgspec
import pytest
from _pytest.runner import runtestprotocol

from harness.conformance.case_plugin import (
    CASE,
    EARLY_STARTS,
    FACTS,
    FAILURE,
    IMPLEMENTATION,
    IS_PROVED,
    RAN_OUT,
    SEED,
    START,
    USED,
)
from harness.conformance.messages import Collected, Request
from harness.conformance.reproduce.shrink import shrunk_evidence
from harness.errors import HarnessError
from harness.model import CaseResult, Evidence, Implementation, Level, Verdict
from harness.processes import forks, warden
from harness.processes.disturbances import MachineWatch
from harness.processes.limits import raise_soft_limits
from harness.records import from_json, to_json
from harness.servers.ahead import EarlyStarts
from harness.servers.resources import raise_descriptor_limit

ATTEMPTS = 3  # to run a case while the machine disturbs it
UNDISPUTED = (Verdict.PASS, Verdict.INFO, Verdict.UNSUPPORTED)


class RequestLoop:
    """A part of the pytest plugin that replaces pytest's loop over its items by a loop over requests in each fork."""

    def __init__(self, channels: Sequence[socket.socket]) -> None:
        self._channels = channels
        self.collected = False

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Answer requests until the channel ends."""
        items = {item.stash[CASE].id: item for item in session.items}
        self.collected = True
        collected = Collected(cases=tuple(item.stash[CASE] for item in session.items))
        if channel := forks.fork_workers(self._channels):
            answer(channel, to_json(collected))
            early = session.config.stash[EARLY_STARTS] = EarlyStarts()
            for line in channel.makefile("rb"):
                request = from_json(line, Request)
                item = items[request.case]
                if request.shrink:
                    answer(channel, to_json(shorten_script(item, request.implementation)))
                else:
                    early.prepare(request.implementation, request.needed)
                    answer(channel, to_json(run_fairly(item, request.implementation, request.seed)))
            early.close()
        return True

    def report_problem(self, sentence: str) -> None:
        """Answer on all channels why there are no cases."""
        for channel in self._channels:
            answer(channel, to_json(Collected(problem=sentence)))


def answer(channel: socket.socket, line: bytes) -> None:
    """Write one line to the pool."""
    channel.sendall(line + b"\n")


def shorten_script(item: pytest.Item, implementation: Implementation) -> Evidence:
    """Return the evidence of the case that this worker has just run, with a shorter script if there is one."""
    failure = item.stash[FAILURE]
    if failure.steps:
        # The failure is known, whatever is lacking now: a port, room for the script, a server that starts.
        with contextlib.suppress(Exception):
            return anyio.run(shrunk_evidence, implementation, failure)
    return failure.evidence


def run_fairly(item: pytest.Item, implementation: Implementation, seed: int) -> CaseResult:
    """Run one case and return its result, unless the machine may have caused it: then run it again, or leave it open.

    A fault in a history stands, whatever the machine did.

    Args:
        item: the case, as pytest has collected it.
        implementation: the server under test.
        seed: the case's random seed.
    """
    for _ in range(ATTEMPTS):
        watch = MachineWatch()
        result = run_case(item, implementation, seed)
        if result.verdict in UNDISPUTED or item.stash.get(IS_PROVED, False):
            return result
        if not (reason := item.stash.get(RAN_OUT, "") or watch.what_happened(result.message)):
            return result
    case = item.stash[CASE]
    return msgspec.structs.replace(
        result,
        requirements=case.requirements,
        level=case.level,
        verdict=Verdict.UNKNOWN,
        message=reason,
        evidence=None,
    )


def run_case(item: pytest.Item, implementation: Implementation, seed: int) -> CaseResult:
    """Run one case and return its result.

    Args:
        item: the case, as pytest has collected it.
        implementation: the server under test.
        seed: the case's random seed.
    """
    case = item.stash[CASE]
    item.config.stash[IMPLEMENTATION] = implementation
    item.stash = pytest.Stash()  # without the results of an earlier run of the case
    item.stash[CASE], item.stash[SEED] = case, seed
    begun = time.monotonic()
    outcome = {"verdict": str(Verdict.ERROR), "message": "the case reported nothing"}
    for report in runtestprotocol(item, log=False, nextitem=None):
        # Setup, call and teardown report; the first that failed decides.
        phase = {key: str(value) for key, value in report.user_properties}
        if phase and outcome["verdict"] in (Verdict.ERROR, Verdict.PASS, Verdict.INFO):
            outcome = phase
    if START in item.stash:
        del item.stash[START]  # its rooms hold all that their clients have ever received
    broken = outcome.get("broken")
    return CaseResult(
        implementation=implementation.name,
        spec=implementation.spec,
        id=case.id,
        requirements=(*case.requirements, broken) if broken else case.requirements,
        level=Level.MUST if broken else case.level,
        verdict=Verdict(outcome["verdict"]),
        message=outcome["message"],
        seconds=round(time.monotonic() - begun, 3),
        states_cause=bool(outcome.get("states_cause")),
        facts=item.stash.get(FACTS, {}),
        used=item.stash.get(USED, ()),
        evidence=failure.evidence if (failure := item.stash.get(FAILURE, None)) else None,
    )


def main() -> None:
    """Collect the cases, fork the workers, and answer requests until their channels end."""
    warden.become_subreaper()
    raise_descriptor_limit()
    raise_soft_limits()
    os.dup2(2, 1)
    os.environ |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PY_COLORS": "0"}
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):  # meant for the user's own tests
        os.environ.pop(name, None)
    channels, folder, *arguments = sys.argv[1:]
    loop = RequestLoop(forks.channels(channels))
    words = [
        folder,
        *("-p", "anyio.pytest_plugin"),
        *("-p", "harness.conformance.plugin"),
        *("-p", "no:terminal"),
        *("-p", "no:cacheprovider"),
        *("-p", "no:logging"),
        "--capture=no",
        *("-c", os.devnull),
        *("--rootdir", folder),
        *("-o", "anyio_mode=auto"),
        *arguments,
    ]
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            status = pytest.main(words, plugins=[loop])
    except HarnessError as error:
        loop.report_problem(str(error))
        return
    if not loop.collected:
        lines = [line.removeprefix("ERROR: ") for line in errors.getvalue().splitlines() if line.strip()]
        problem = lines[-1] if lines else f"pytest ended with status {int(status)} before it ran a case"
        loop.report_problem(problem)


if __name__ == "__main__":
    main()
