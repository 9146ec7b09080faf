"""The kill matrix: what it says of survivors, of the blamed, of late catches and of idle requirements."""

from __future__ import annotations

from harness.conformance.selftest import Known, Matrix
from harness.model import Case, CaseResult, Implementation, Level, Verdict
from harness.report.matrix import closing, matrix

CASES = [
    Case(id="a_hears", number=1, requirements=("X-1",), level=Level.MUST),
    Case(id="b_hears", number=2, requirements=("X-2",), level=Level.MUST),
]


def known(name: str, breaks: str = "") -> Known:
    implementation = Implementation(name=name, spec="x", run=("x",))
    return Known(implementation, breaks, Level.MUST if breaks else None)


def said(server: Known, case: Case, verdict: Verdict) -> CaseResult:
    return CaseResult(
        implementation=server.name,
        spec="x",
        id=case.id,
        requirements=case.requirements,
        level=case.level,
        verdict=verdict,
        message="this was seen",
    )


def test_all_is_well() -> None:
    good, bad, worse = known("good"), known("bad", "X-1"), known("worse", "X-2")
    found = Matrix([good, bad, worse], CASES, ["X-1", "X-2"])
    found.add([said(good, case, Verdict.PASS) for case in CASES])
    found.add([said(bad, CASES[0], Verdict.FAIL), said(worse, CASES[1], Verdict.FAIL)])
    assert found.passed
    assert "2 of 2 mutants caught, 0 of 1 lawful servers blamed, 2 of 2 MUSTs caught somebody" in " ".join(
        closing(found, 80, 1.0, 1).split()
    )
    rows = dict(line.split(maxsplit=1) for line in matrix(found, 30).splitlines() if line.startswith(("good", "bad")))
    assert rows["bad"] == "#"
    assert rows["good"] == ".."


def test_who_is_caught_only_at_another_attempt_is_told() -> None:
    bad = known("bad", "X-1")
    found = Matrix([bad], CASES, ["X-1"])
    found.add([said(bad, CASES[0], Verdict.PASS)])
    found.late = found.survivors
    assert not found.passed
    found.add([said(bad, CASES[0], Verdict.FAIL)])
    assert found.passed
    assert "LATE bad" in closing(found, 80, 1.0, 1)


def test_survivors_the_blamed_and_the_idle_are_told() -> None:
    good, bad = known("good"), known("bad", "X-1")
    found = Matrix([good, bad], CASES, ["X-1", "X-2"])
    found.add([said(good, CASES[1], Verdict.FAIL), said(bad, CASES[0], Verdict.PASS)])
    words = closing(found, 80, 1.0, 1)
    assert not found.passed
    assert "SURVIVED bad" in words
    assert "BLAMED good" in words
    assert "IDLE X-1, X-2" in words
