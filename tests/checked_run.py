"""A run with a server that fails and one that does not, for tests of the site's pages about conformance."""

from __future__ import annotations

import msgspec
import numpy as np

from harness import plugins
from harness.model import CaseResult, Evidence, Level, Run, Verdict
from harness.requirements.coverage import cases_of
from tests.sample_runs import run_of, timed
from tests.site_pages import ALERT

SPEC = plugins.specs()["broadcast"]
ORDER, FRAME, START = "BC-ORDER-2", "BC-FRAME-2", "BC-START-1"
CASE = next(case for case in cases_of(SPEC) if ORDER in case.requirements)
SCRIPT = "print('<b>reproduced</b>')\n"


def result(name: str, case: str, verdict: Verdict, *ids: str, **more: object) -> CaseResult:
    """Return the result of a case that never ran."""
    plain = CaseResult(
        implementation=name, spec="broadcast", id=case, requirements=ids, level=Level.MUST, verdict=verdict
    )
    return msgspec.structs.replace(plain, **more)


def checked_run() -> Run:
    """Return a run in which "bad" breaks the order, "good" does not, and "absent" was not checked."""
    latencies = np.full(10, 10**6)
    measured = run_of(*(timed(name, latencies, spec="broadcast") for name in ("good", "bad", "absent")))
    evidence = Evidence(
        expected="one order", transcript="c0 ← 1.0", drawing="client 0 | client 1", script=SCRIPT, file="s.py", seed=7
    )
    cases = [
        result("good", CASE.id, Verdict.PASS, ORDER, FRAME, seconds=0.25),
        result("good", "other[::1]", Verdict.UNSUPPORTED, START, message="no IPv6"),
        result("bad", CASE.id, Verdict.FAIL, FRAME, ORDER, message=f"seen: {ALERT}", evidence=evidence),
        result("bad", "other[::1]", Verdict.WARN, START, message="a banner", facts={"slow client": "drops"}),
    ]
    return Run(measured.info, cases, measured.trials, measured.blocks)
