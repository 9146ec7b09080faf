"""What the cases report beside verdicts: resources with every case, facts in a table."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness.model import CaseResult, CheckResult, Level, ServerUsage, Usage, Verdict
from harness.records import from_json, to_json
from harness.report.facts import fact_table, usage_text
from tests.zoo import CONFORMING, MUTANTS, harness

USAGE = r"\d+\.\d MB [+-]\d+\.\d, \d+ fds [+-]\d+, \d+ threads?( [+-]\d+)?, cpu \d+\.\d\d s"


def result_with(server: str, **facts: str) -> CheckResult:
    """Return the results of a server of which one case reports these facts."""
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


def test_resources_are_shown_with_every_case_whatever_its_verdict(tmp_path: Path) -> None:
    """A case that passes, a case that fails, and a case that ends the server itself."""
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
        assert re.search(rf"^  {verdict}  {case}\n        {USAGE}$", ended.stdout, re.MULTILINE), ended.stdout
    (result,) = json.loads((tmp_path / "out.json").read_text())["results"]
    used = {case["id"]: case["used"] for case in result["cases"]}
    (stopped,) = used["sigterm_ends_it_within_two_seconds"]
    assert stopped["after"]["descriptors"] > stopped["before"]["descriptors"] > 0, "noted before the signal"


def test_a_result_need_not_have_facts_or_resources() -> None:
    case = result_with("one").cases[0]
    older = json.loads(to_json(case))
    del older["facts"], older["used"]
    assert from_json(json.dumps(older), CaseResult) == case


def test_the_text_of_usage() -> None:
    before = Usage(30_800_000, 12, 3, 1, 0.1)
    assert (
        usage_text(ServerUsage(before, Usage(31_200_000, 12, 3, 1, 0.41)))
        == "31.2 MB +0.4, 12 fds +0, 3 threads, cpu 0.31 s"
    )
    after = Usage(30_000_000, 10, 1, 2, 0.1)
    assert usage_text(ServerUsage(before, after)) == "30.0 MB -0.8, 10 fds -2, 1 thread -2, 2 processes, cpu 0.00 s"


@pytest.mark.parametrize("columns", [80, 120])
def test_the_facts_of_several_servers_are_a_table(tmp_path: Path, columns: int) -> None:
    servers = (CONFORMING, MUTANTS / "conforming" / "drops_the_oldest.py")
    ended = harness("check", *servers, "-k", "not_read_is_reported", folder=tmp_path, columns=columns)
    assert ended.returncode == 3, "a case that only reports judges nothing"
    lines = [line.split("  ") for line in ended.stdout.splitlines()]
    words = [[word.strip() for word in line if word] for line in lines]
    assert ["server", "slow client"] in words
    by_server = {line[0]: line[1].split(", ")[0] for line in words if len(line) == 2 and line[0].endswith(".py")}
    assert by_server == {"server.py": "drops new", "drops_the_oldest.py": "drops old"}
    assert max(map(len, ended.stdout.splitlines())) <= columns


def test_a_server_without_facts_is_not_in_the_table_and_columns_that_do_not_fit_are_left_out() -> None:
    results = [result_with("one", colour="red", size="7"), result_with("two", size="large"), result_with("three")]
    assert fact_table(results, 80).splitlines() == [
        "server  colour  size",
        "------  ------  -----",
        "one     red     7",
        "two     –       large",
    ]
    assert fact_table(results, 20).splitlines()[0] == "server  colour"
    assert fact_table([result_with("three")], 80) == ""
