"""The text of each spec agrees with its cases."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness import plugins
from harness.errors import UsageError
from harness.model import Spec
from harness.requirements import text as requirements
from harness.requirements.coverage import cases_of, coverage_page

SPECS = list(plugins.specs().values())
BEHAVIOURS = 100
SHARED_LATER = 200  # from here on cases have the next free number of all specs


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_requirement_has_a_case(spec: Spec) -> None:
    checked = {requirement for case in cases_of(spec) for requirement in case.requirements}
    assert set(requirements.of(spec)) - checked == set()


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_case_names_existing_requirements_and_quotes_them(spec: Spec) -> None:
    known = requirements.of(spec)
    for case in cases_of(spec):
        assert case.requirements, case.id
        docstring = " ".join(case.text.split())
        for id_ in case.requirements:
            quote = f"{id_.removeprefix(f'{spec.prefix}-')}: {known[id_].text}"  # a shared case has no prefix
            assert quote in docstring, f"{case.id} does not quote {id_}"


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_the_page_of_requirements_is_up_to_date(spec: Spec) -> None:
    assert (spec.text.parent / "REQUIREMENTS.md").read_text("utf-8") == coverage_page(spec), "make requirements"


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_fault_that_the_judge_reports_breaks_a_requirement(spec: Spec) -> None:
    orders = {"received before sent", "sender order", "disagreement", "answer first", "own first", "cycle"}
    kinds = {"created", "duplicated", "died", "silent", "closed"} | orders
    kinds |= {"sender name"} if spec.codec.name(0) else set()
    assert set(spec.faults) == kinds
    assert set(spec.faults.values()) <= set(requirements.of(spec))


def test_all_behaviours_of_broadcast_have_a_case() -> None:
    numbers = {case.number for case in cases_of(plugins.specs()["broadcast"])}
    assert {number for number in numbers if number < SHARED_LATER} == set(range(1, BEHAVIOURS + 1))


GOOD = "### X-Y-1 (MUST, original)\n> It does.\n\n- Why: a\n- Right: b\n- Wrong: c\n- Bug: d\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD.replace("MUST", "MIGHT"), "line 1: not a requirement heading"),
        (GOOD.replace("- Bug: d\n", ""), "X-Y-1 lacks its bug"),
        (GOOD.replace("> It does.\n", ""), "X-Y-1 lacks its quoted text"),
        (GOOD + GOOD, "X-Y-1 is defined twice"),
    ],
)
def test_a_malformed_text_is_reported_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "README.md"
    file.write_text(text)
    with pytest.raises(UsageError, match=re.escape(words)):
        requirements.read(file)
