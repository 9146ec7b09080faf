"""The kill matrix: survivors, blamed servers, late catches and idle requirements are reported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness import plugins
from harness.conformance.selftest import KillMatrix, KnownServer, known_servers
from harness.errors import UsageError
from harness.model import Case, CaseResult, Implementation, Level, Verdict
from harness.report.matrix import matrix_summary, matrix_table

CASES = [
    Case(id="a_receives", number=1, requirements=("X-1",), level=Level.MUST),
    Case(id="b_receives", number=2, requirements=("X-2",), level=Level.MUST),
]


def known(name: str, breaks: str = "") -> KnownServer:
    implementation = Implementation(name=name, spec="x", run=("x",))
    return KnownServer(implementation, breaks, Level.MUST if breaks else None)


def result_of(server: KnownServer, case: Case, verdict: Verdict) -> CaseResult:
    return CaseResult(
        implementation=server.name,
        spec="x",
        id=case.id,
        requirements=case.requirements,
        level=case.level,
        verdict=verdict,
        message="this was seen",
    )


def test_nothing_is_wrong() -> None:
    good, bad, worse = known("good"), known("bad", "X-1"), known("worse", "X-2")
    matrix = KillMatrix([good, bad, worse], CASES, ["X-1", "X-2"])
    matrix.add([result_of(good, case, Verdict.PASS) for case in CASES])
    matrix.add([result_of(bad, CASES[0], Verdict.FAIL), result_of(worse, CASES[1], Verdict.FAIL)])
    assert matrix.passed
    summary = " ".join(matrix_summary(matrix, 80, 1.0, 1).split())
    assert (
        "2 of 2 mutants caught, 0 survived; 0 of 1 conforming servers blamed; 2 of 2 MUSTs caught a mutant" in summary
    )
    rows = dict(
        line.split(maxsplit=1) for line in matrix_table(matrix, 30).splitlines() if line.startswith(("good", "bad"))
    )
    assert rows["bad"] == "#"
    assert rows["good"] == ".."


def test_a_mutant_that_is_caught_only_at_a_later_attempt_is_reported() -> None:
    bad = known("bad", "X-1")
    matrix = KillMatrix([bad], CASES, ["X-1"])
    matrix.add([result_of(bad, CASES[0], Verdict.PASS)])
    matrix.late = matrix.survivors
    assert not matrix.passed
    matrix.add([result_of(bad, CASES[0], Verdict.FAIL)])
    assert matrix.passed
    assert "LATE bad" in matrix_summary(matrix, 80, 1.0, 1)


def test_survivors_blamed_servers_and_idle_requirements_are_reported() -> None:
    good, bad = known("good"), known("bad", "X-1")
    matrix = KillMatrix([good, bad], CASES, ["X-1", "X-2"])
    matrix.add([result_of(good, CASES[1], Verdict.FAIL), result_of(bad, CASES[0], Verdict.PASS)])
    summary = matrix_summary(matrix, 80, 1.0, 1)
    assert not matrix.passed
    assert "SURVIVED bad" in summary
    assert "BLAMED good" in summary
    assert "IDLE X-1, X-2" in summary


@pytest.mark.parametrize(
    ("folder", "text"), [("broken", 'CAUGHT_BY = "BC-ORDER-2"\n'), ("conforming", "#!/usr/bin/env python3\n")]
)
def test_a_server_that_is_not_executable_is_reported(folder: str, text: str, tmp_path: Path) -> None:
    for name in ("broken", "conforming"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "README.md").write_text("What these servers do.\n")
    server = tmp_path / folder / "mine.py"
    server.write_text(text)
    spec = replace(plugins.specs()["broadcast"], mutants=tmp_path)
    with pytest.raises(UsageError, match=r"mine\.py is not executable, .*chmod \+x mine\.py"):
        known_servers(spec)
    server.chmod(0o755)
    assert [known.name for known in known_servers(spec)] == ["mine"]
