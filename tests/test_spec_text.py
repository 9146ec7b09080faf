"""The text of the spec and its cases belong together."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness import plugins
from harness.errors import UsageError
from harness.model import Spec
from harness.requirements import text as requirements
from harness.requirements.coverage import cases_of, page

SPECS = list(plugins.specs().values())
BEHAVIOURS = 83


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_clause_has_a_case(spec: Spec) -> None:
    checked = {one for case in cases_of(spec) for one in case.requirements}
    assert set(requirements.of(spec)) - checked == set()


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_case_names_clauses_that_there_are_and_quotes_them(spec: Spec) -> None:
    known = requirements.of(spec)
    for case in cases_of(spec):
        assert case.requirements, case.id
        said = " ".join(case.text.split())
        for one in case.requirements:
            quote = f"{one.removeprefix(f'{spec.prefix}-')}: {known[one].text}"  # a shared case has no prefix
            assert quote in said, f"{case.id} does not quote {one}"


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_the_page_of_clauses_is_the_generated_one(spec: Spec) -> None:
    assert (spec.text.parent / "CLAUSES.md").read_text("utf-8") == page(spec), "make clauses"


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_fault_that_the_judge_tells_breaks_a_clause(spec: Spec) -> None:
    orders = {"heard before sent", "sender order", "disagreement", "answer first", "own first", "cycle"}
    kinds = {"created", "duplicated", "died", "silent", "closed"} | orders
    kinds |= {"sender name"} if spec.codec.name(0) else set()
    assert set(spec.faults) == kinds
    assert set(spec.faults.values()) <= set(requirements.of(spec))


def test_all_behaviours_of_broadcast_have_a_case() -> None:
    numbers = {case.number for case in cases_of(plugins.specs()["broadcast"])}
    assert numbers == set(range(1, BEHAVIOURS + 1))


GOOD = "### X-Y-1 (MUST, original)\n> It does.\n\n- Why: a\n- Right: b\n- Wrong: c\n- Bug: d\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD.replace("MUST", "MIGHT"), "line 1: not a requirement heading"),
        (GOOD.replace("- Bug: d\n", ""), "X-Y-1 lacks its bug"),
        (GOOD.replace("> It does.\n", ""), "X-Y-1 lacks its clause"),
        (GOOD + GOOD, "X-Y-1 stands twice"),
    ],
)
def test_a_malformed_text_is_told_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "README.md"
    file.write_text(text)
    with pytest.raises(UsageError, match=re.escape(words)):
        requirements.read(file)
