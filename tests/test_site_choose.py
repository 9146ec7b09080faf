"""The page that helps to choose: the evidence about each server, from a run with known figures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from harness.blocks import Entry
from harness.model import CaseResult, Implementation, Level, Run, ServerUsage, Usage, Verdict
from harness.site.data import site_of
from harness.site.evidence import ServerEvidence, evidence
from harness.site.pages.choose import claim
from harness.site.write import write_site
from tests.sample_runs import block_of, run_of, trial
from tests.simulated_runs import THROUGHPUTS, slice_of
from tests.site_pages import ALERT, parse

IDLE = {"rss_empty_bytes": 2e6, "rss_idle_bytes": 5e6, "rss_per_client_bytes": 3e3}


def usage(threads: int, processes: int = 1) -> Usage:
    return Usage(rss_bytes=1, cpu_s=0, descriptors=1, threads=threads, processes=processes)


def case(
    name: str, verdict: Verdict = Verdict.PASS, *, fact: str = "", threads: int = 1, spec: str = "chatter"
) -> CaseResult:
    return CaseResult(
        implementation=name,
        spec=spec,
        id="case",
        requirements=(),
        level=Level.MUST,
        verdict=verdict,
        facts={"slow client": fact} if fact else {},
        used=(ServerUsage(usage(1), usage(threads, 1 + (threads > 20))),),
    )


def measured(name: str, *cases: CaseResult, cpu_share: float = 0.9, more: tuple[object, ...] = ()) -> Run:
    slices = [slice_of(0, kind, {"deliveries_per_s": 1e6, "server_cpu_share": cpu_share}) for kind in THROUGHPUTS]
    run = run_of(block_of([Entry(name)], [*slices, slice_of(0, "idle", IDLE)]), *more)  # type: ignore[arg-type]
    return Run(run.info, list(cases), run.trials, run.blocks)


def evidence_of(run: Run) -> ServerEvidence:
    site = site_of(run)
    return evidence(site, site.servers[0])


def test_memory_is_a_line_through_what_was_measured() -> None:
    known = evidence_of(measured("one"))
    assert (known.empty_mb, known.client_kb) == (2.0, 3.0)
    assert known.memory_text == "2.00 + 3.00 KB"


@pytest.mark.parametrize(
    ("fact", "policy"), [("drops new, 2.7 MB", "drops new"), ("stalls everyone, 90.0 KB", "stalls everyone"), ("", "")]
)
def test_the_policy_for_slow_clients_is_what_was_observed(fact: str, policy: str) -> None:
    known = evidence_of(measured("one", case("one", fact=fact)))
    assert (known.slow_client, known.policy) == (fact, policy)


def test_threads_and_processes_are_the_most_that_the_cases_saw() -> None:
    known = evidence_of(measured("one", case("one", threads=3), case("one", threads=25)))
    assert (known.threads, known.processes, known.tasks_text) == (25, 2, "25 in 2 processes")
    unchecked = evidence_of(measured("one"))
    assert (unchecked.threads, unchecked.tasks_text) == (None, "–")


def test_cores_are_the_most_processor_time_of_any_slice() -> None:
    assert evidence_of(measured("one", cpu_share=1.8)).cores == 1.8


def test_the_league_says_with_how_many_idle_clients_memory_was_measured(tmp_path: Path) -> None:
    fewer = {**IDLE, "rss_idle_bytes": 2e6 + 50 * 3e3}  # as with the profile smoke
    slices = [slice_of(0, kind, {"deliveries_per_s": 1e6}) for kind in THROUGHPUTS]
    write_site(run_of(block_of([Entry("one")], [*slices, slice_of(0, "idle", fewer)])), tmp_path)
    text = parse(tmp_path / "index.html").text
    assert "Memory: with 50 idle clients." in text and "1000 idle" not in text


def test_a_server_that_refused_clients_is_known_by_how_many_it_held() -> None:
    figures = {"clients": 4000.0, "clients_refused": 6000.0}
    refused = trial("one", "mass_idle", {"clients": 10_000}, figures)
    assert evidence_of(measured("one", more=(refused,))).refused_from == 4000
    held = trial("one", "mass_idle", {"clients": 10_000}, {**figures, "clients_refused": 0.0})
    assert evidence_of(measured("one", more=(held,))).refused_from is None


def test_a_server_that_fails_or_was_not_measured_has_a_problem() -> None:
    assert evidence_of(measured("one", case("one"))).problem == ""
    assert "1 failed" in evidence_of(measured("one", case("one", Verdict.FAIL))).problem
    assert evidence_of(run_of(block_of([Entry("one")], []))).problem != ""


def test_the_page_has_the_evidence_without_scripts_and_the_form_only_with_them(tmp_path: Path) -> None:
    run = measured("one", case("one", fact="disconnects, 1.2 MB"))
    run = Run(msgspec.structs.replace(run.info, code_lines={"chatter/one": 123}), run.cases, run.trials, run.blocks)
    write_site(run, tmp_path)
    page = parse(tmp_path / "choose.html")
    assert page.problems == []
    for text in ("disconnects, 1.2 MB", "2.00 + 3.00 KB", "123", "1/1", "0.90"):
        assert text in page.text
    (form,) = [each for each in page.all("form") if each.get("id") == "questions"]
    assert "hidden" in form
    (data,) = [json.loads(script) for script in page.scripts if script.strip()]
    (server,) = data["specs"]["chatter"]
    assert (server["policy"], server["figures"]["lines"], server["emptyMb"]) == ("disconnects", 123, 2.0)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (
            "- **A slow client** misses `new` batches,\n  always [whole](x.md) ones.",
            "A slow client misses new batches, always whole ones.",
        ),
        ("- **Order**: one lock.", ""),
    ],
)
def test_what_a_readme_says_about_slow_clients_is_plain_text(line: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(f"# One\n\n{line}\n- **More**\n")
    (tmp_path / "one.py").write_text("")
    (server,) = site_of(measured("one")).servers
    assert claim(replace(server, source=tmp_path / "one.py")) == text
    assert claim(server) == ""


def test_a_hostile_server_is_text(tmp_path: Path) -> None:
    run = measured(ALERT, case(ALERT, fact=f"{ALERT}, 1 MB"))
    hostile = Implementation(name=ALERT, spec="chatter", language=ALERT, style=ALERT)
    run = Run(msgspec.structs.replace(run.info, implementations=(hostile,)), run.cases, run.trials, run.blocks)
    write_site(run, tmp_path)
    page = parse(tmp_path / "choose.html")
    assert page.problems == [] and page.text.count(ALERT) >= 4
    assert "<script>alert" not in (tmp_path / "choose.html").read_text()
