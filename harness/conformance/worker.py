"""A worker of the pool: a pytest that collects the cases once and then runs the cases it is asked to run.

    python -m harness.conformance.worker CASES_FOLDER [PYTEST_ARGUMENT ...] (more folders among them)

Standard input and output carry the records of `harness.conformance.messages`, a line of JSON each.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time

import anyio
import pytest
from _pytest.runner import runtestprotocol

from harness.conformance.case_plugin import CASE, FACTS, FAILURE, IMPLEMENTATION, SEED, START, USED
from harness.conformance.messages import Collected, Request
from harness.conformance.reproduce.shrink import shrunk_evidence
from harness.errors import HarnessError
from harness.model import CaseResult, Evidence, Implementation, Level, Verdict
from harness.processes import warden
from harness.records import from_json, to_json
from harness.servers.resources import raise_descriptor_limit


class RequestLoop:
    """A part of the pytest plugin that replaces pytest's loop over its items by a loop over requests."""

    def __init__(self, answers: int) -> None:
        self._answers = answers
        self.collected = False

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Answer requests until standard input ends."""
        items = {item.stash[CASE].id: item for item in session.items}
        self.collected = True
        self.answer(to_json(Collected(cases=tuple(item.stash[CASE] for item in session.items))))
        for line in sys.stdin.buffer:
            request = from_json(line, Request)
            item = items[request.case]
            if request.shrink:
                self.answer(to_json(shorten_script(item, request.implementation)))
            else:
                self.answer(to_json(run_case(item, request.implementation, request.seed)))
        return True

    def answer(self, line: bytes) -> None:
        """Write one line to the pool."""
        data = line + b"\n"
        while data:
            data = data[os.write(self._answers, data) :]


def shorten_script(item: pytest.Item, implementation: Implementation) -> Evidence:
    """Return the evidence of the case that this worker has just run, with a shorter script if there is one."""
    failure = item.stash[FAILURE]
    return anyio.run(shrunk_evidence, implementation, failure) if failure.steps else failure.evidence


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
    """Collect the cases, report them, and answer requests until standard input ends."""
    warden.become_subreaper()
    raise_descriptor_limit()
    # Standard output is for answers only: everything else that prints is redirected to standard error.
    answers = os.dup(1)
    os.dup2(2, 1)
    loop = RequestLoop(answers)
    os.environ |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PY_COLORS": "0"}
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):  # meant for the user's own tests
        os.environ.pop(name, None)
    folder, *arguments = sys.argv[1:]
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
        loop.answer(to_json(Collected(problem=str(error))))
        return
    if not loop.collected:
        lines = [line.removeprefix("ERROR: ") for line in errors.getvalue().splitlines() if line.strip()]
        problem = lines[-1] if lines else f"pytest ended with status {int(status)} before it ran a case"
        loop.answer(to_json(Collected(problem=problem)))


if __name__ == "__main__":
    main()
