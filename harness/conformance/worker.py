"""A worker of the pool: a pytest that collects the cases once and then runs whichever it is told to.

    python -m harness.conformance.worker CASES_FOLDER [PYTEST_ARGUMENT ...] (more folders among them)

It says first what it has collected (a list of cases); then each line of standard input is a request to run
one case on one implementation, and each line of standard output a result.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time

import anyio
import msgspec
import pytest
from _pytest.runner import runtestprotocol

from harness.conformance.plugin import CASE, FACTS, FAILURE, IMPLEMENTATION, SEED, START, USED
from harness.conformance.reproduce.shrink import shrunk_evidence
from harness.errors import HarnessError
from harness.model import Case, CaseResult, Evidence, Implementation, Level, Verdict
from harness.processes import warden
from harness.records import from_json, to_json
from harness.servers.resources import raise_descriptor_limit


class Request(msgspec.Struct, frozen=True):
    """Run this case on this implementation.

    Attributes:
        seed: of what is random in the case.
        shrink: do not run it again, but make the script of the failure just reported shorter.
    """

    case: str
    implementation: Implementation
    seed: int = 0
    shrink: bool = False


class Collected(msgspec.Struct, frozen=True):
    """What a worker says first: its cases, or why it has none."""

    cases: tuple[Case, ...] = ()
    problem: str = ""


class Errand:
    """The part of the plugin that replaces pytest's loop over its items by a loop over requests."""

    def __init__(self, answers: int) -> None:
        self._answers = answers
        self.collected = False

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.stash[CASE].id: item for item in session.items}
        self.collected = True
        self.say(to_json(Collected(cases=tuple(item.stash[CASE] for item in session.items))))
        for line in sys.stdin.buffer:
            request = from_json(line, Request)
            item = items[request.case]
            if request.shrink:
                self.say(to_json(shrunk(item, request.implementation)))
            else:
                self.say(to_json(run(item, request.implementation, request.seed)))
        return True

    def say(self, line: bytes) -> None:
        data = line + b"\n"
        while data:
            data = data[os.write(self._answers, data) :]


def shrunk(item: pytest.Item, implementation: Implementation) -> Evidence:
    """Return the evidence of the case that this worker has just run, with a shorter script where there is one."""
    found = item.stash[FAILURE]
    return anyio.run(shrunk_evidence, implementation, found) if found.steps else found.evidence


def run(item: pytest.Item, implementation: Implementation, seed: int) -> CaseResult:
    """Run one case and return its result."""
    case = item.stash[CASE]
    item.config.stash[IMPLEMENTATION] = implementation
    item.stash = pytest.Stash()  # what an earlier run of the case has told
    item.stash[CASE], item.stash[SEED] = case, seed
    begun = time.monotonic()
    said = {"verdict": str(Verdict.ERROR), "message": "the case reported nothing"}
    for report in runtestprotocol(item, log=False, nextitem=None):
        # Three phases report; the first that has something to complain of decides.
        phase = {key: str(value) for key, value in report.user_properties}
        if phase and said["verdict"] in (Verdict.ERROR, Verdict.PASS, Verdict.INFO):
            said = phase
    if START in item.stash:
        del item.stash[START]  # its rooms hold all that was ever heard in them
    broken = said.get("broken")
    return CaseResult(
        implementation=implementation.name,
        spec=implementation.spec,
        id=case.id,
        requirements=(*case.requirements, broken) if broken else case.requirements,
        level=Level.MUST if broken else case.level,
        verdict=Verdict(said["verdict"]),
        message=said["message"],
        seconds=round(time.monotonic() - begun, 3),
        states_cause=bool(said.get("tells_cause")),
        facts=item.stash.get(FACTS, {}),
        used=item.stash.get(USED, ()),
        evidence=found.evidence if (found := item.stash.get(FAILURE, None)) else None,
    )


def main() -> None:
    """Collect, say what there is, and serve requests until standard input ends."""
    warden.become_subreaper()
    raise_descriptor_limit()
    # Standard output is for answers only: whatever else prints, prints to standard error.
    answers = os.dup(1)
    os.dup2(2, 1)
    errand = Errand(answers)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
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
    complaints = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaints):
            status = pytest.main(words, plugins=[errand])
    except HarnessError as error:
        errand.say(to_json(Collected(problem=str(error))))
        return
    if not errand.collected:
        said = [line.removeprefix("ERROR: ") for line in complaints.getvalue().splitlines() if line.strip()]
        problem = said[-1] if said else f"pytest ended with status {int(status)} before it ran a case"
        errand.say(to_json(Collected(problem=problem)))


if __name__ == "__main__":
    main()
