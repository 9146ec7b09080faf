"""What the cases found out beside their verdicts: resources beside every case, facts in a table."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness.model import CaseResult, CheckResult, Level, ServerUsage, Usage, Verdict
from harness.records import from_json, to_json
from harness.report.facts import fact_table, in_short
from tests.zoo import HONEST, MUTANTS, harness

IN_SHORT = r"\d+\.\d MB [+-]\d+\.\d, \d+ fds [+-]\d+, \d+ threads?( [+-]\d+)?, cpu \d+\.\d\d s"


def told(server: str, **facts: str) -> CheckResult:
    """Return the results of a server of which one case told facts."""
    case = CaseResult(
        implementation=server,
        spec="x",
        id="a_case",
        requirements=("X-1",),
        level=Level.INFO,
        verdict=Verdict.INFO,
        facts=facts,
    )
    return CheckResult(implementation=server, spec="x", verdict=Verdict.PASS, cases=(case,))


def test_resources_stand_beside_every_case_whatever_came_of_it(tmp_path: Path) -> None:
    """A case that passes, one that fails, and one that ends the server itself."""
    mutant = MUTANTS / "broken" / "wildcard_address.py"
    ended = harness(
        *("check", mutant, "-v", "-k", "its_address_only or empty_message_is or sigterm", "--json", "out.json"),
        folder=tmp_path,
    )
    assert ended.returncode == 1, ended.stderr
    for verdict, case in (
        ("fail", "it_listens_on_its_address_only"),
        ("pass", "an_empty_message_is_forwarded"),
        ("pass", "sigterm_ends_it_within_two_seconds"),
    ):
        assert re.search(rf"^  {verdict}  {case}\n        {IN_SHORT}$", ended.stdout, re.MULTILINE), ended.stdout
    (result,) = json.loads((tmp_path / "out.json").read_text())["results"]
    used = {case["id"]: case["used"] for case in result["cases"]}
    (stopped,) = used["sigterm_ends_it_within_two_seconds"]
    assert stopped["after"]["descriptors"] > stopped["before"]["descriptors"] > 0, "noted before the signal"


def test_a_result_of_an_older_run_has_neither_facts_nor_resources() -> None:
    case = told("one").cases[0]
    older = json.loads(to_json(case))
    del older["facts"], older["used"]
    assert from_json(json.dumps(older), CaseResult) == case


def test_usage_in_short() -> None:
    before = Usage(30_800_000, 12, 3, 1, 0.1)
    assert (
        in_short(ServerUsage(before, Usage(31_200_000, 12, 3, 1, 0.41)))
        == "31.2 MB +0.4, 12 fds +0, 3 threads, cpu 0.31 s"
    )
    after = Usage(30_000_000, 10, 1, 2, 0.1)
    assert in_short(ServerUsage(before, after)) == "30.0 MB -0.8, 10 fds -2, 1 thread -2, 2 processes, cpu 0.00 s"


@pytest.mark.parametrize("columns", [80, 120])
def test_the_facts_of_several_servers_are_a_table(tmp_path: Path, columns: int) -> None:
    servers = (HONEST, MUTANTS / "conforming" / "drops_the_oldest.py")
    ended = harness("check", *servers, "-k", "not_read_is_told", folder=tmp_path, columns=columns)
    assert ended.returncode == 0, ended.stderr
    lines = [line.split("  ") for line in ended.stdout.splitlines()]
    words = [[word.strip() for word in line if word] for line in lines]
    assert ["server", "slow client"] in words
    said = {line[0]: line[1].split(", ")[0] for line in words if len(line) == 2 and line[0].endswith(".py")}
    assert said == {"server.py": "drops new", "drops_the_oldest.py": "drops old"}
    assert max(map(len, ended.stdout.splitlines())) <= columns


def test_whoever_told_nothing_is_not_in_the_table_and_what_does_not_fit_is_left_out() -> None:
    results = [told("one", colour="red", size="7"), told("two", size="large"), told("three")]
    assert fact_table(results, 80).splitlines() == [
        "server  colour  size",
        "------  ------  -----",
        "one     red     7",
        "two     –       large",
    ]
    assert fact_table(results, 20).splitlines()[0] == "server  colour"
    assert fact_table([told("three")], 80) == ""
