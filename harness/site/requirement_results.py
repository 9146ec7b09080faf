"""How the servers of a run do in each requirement, from the results of the cases that check it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.model import CaseResult, Requirement, Verdict
from harness.site.data import Site, SiteServer
from harness.site.page import slug

USUAL_ID = re.compile(r"[A-Z]+-[A-Z]+-\d+")
# The verdict on a requirement is the first of these that a case of it has.
GRAVEST_FIRST = (
    Verdict.FAIL,
    Verdict.ERROR,
    Verdict.UNKNOWN,
    Verdict.BLOCKED,
    Verdict.WARN,
    Verdict.PASS,
    Verdict.INFO,
    Verdict.UNSUPPORTED,
)
# What a cell shows, so that it can be read without colours.
SIGNS = {
    Verdict.PASS: "✓",
    Verdict.FAIL: "✗",
    Verdict.WARN: "!",
    Verdict.UNKNOWN: "?",
    Verdict.ERROR: "E",
    Verdict.BLOCKED: "…",
    Verdict.INFO: "i",
    Verdict.UNSUPPORTED: "–",
}
MEANINGS = {
    Verdict.PASS: "every case passed",
    Verdict.FAIL: "a case failed",
    Verdict.WARN: "a SHOULD does not hold",
    Verdict.UNKNOWN: "a case could not decide, or broke on another requirement",
    Verdict.ERROR: "the harness failed",
    Verdict.BLOCKED: "not tried, because what it depends on failed",
    Verdict.INFO: "reported, not judged",
    Verdict.UNSUPPORTED: "cannot be tried on this machine or with this server",
}
BROKEN = (Verdict.FAIL, Verdict.WARN)


@dataclass(frozen=True)
class RequirementResult:
    """One server in one requirement.

    Attributes:
        id: of the requirement.
        requirement: its text; None where its spec is not installed.
        verdict: the gravest verdict of its cases; None where none ran.
        cases: the results of these cases, the gravest first.
    """

    id: str
    requirement: Requirement | None
    verdict: Verdict | None
    cases: Sequence[CaseResult]


def verdict_on(case: CaseResult, requirement: str) -> Verdict:
    """Return what a case says about one of its requirements.

    A case that failed broke the last of them: about the others it says nothing.
    """
    if case.verdict is Verdict.FAIL and case.requirements[-1] != requirement:
        return Verdict.UNKNOWN
    return case.verdict


def gravest(verdicts: Iterable[Verdict]) -> Verdict | None:
    """Return the gravest of some verdicts; None for none."""
    return min(verdicts, key=GRAVEST_FIRST.index, default=None)


def requirement_ids(site: Site, spec: str) -> list[str]:
    """Return the ids of the requirements of a spec, in the order of its text, and of others that cases name."""
    named = (each for server in site.servers_of(spec) for case in server.cases for each in case.requirements)
    return list(dict.fromkeys([*site.requirements_of(spec), *named]))


def results_of(server: SiteServer, ids: Iterable[str], known: Mapping[str, Requirement]) -> list[RequirementResult]:
    """Return how a server does in each requirement.

    Args:
        server: the server.
        ids: the requirements.
        known: their texts, by id.
    """
    cases_of: dict[str, list[CaseResult]] = {}
    for case in server.cases:
        for identifier in dict.fromkeys(case.requirements):
            cases_of.setdefault(identifier, []).append(case)
    found = []
    for identifier in ids:
        cases = cases_of.get(identifier, [])
        verdicts = {case.id: verdict_on(case, identifier) for case in cases}
        cases.sort(key=lambda case: GRAVEST_FIRST.index(verdicts[case.id]))
        found.append(RequirementResult(identifier, known.get(identifier), gravest(verdicts.values()), cases))
    return found


def area(requirement: str) -> str:
    """Return the middle part of the id of a requirement, which says what it is about: "ORDER" of "BC-ORDER-2"."""
    parts = requirement.split("-")
    return parts[1] if len(parts) == 3 else requirement


def requirement_anchor(requirement: str) -> str:
    """Return the anchor of a requirement on the page about the conformance of a server, or on that of its spec."""
    return requirement if USUAL_ID.fullmatch(requirement) else f"requirement-{slug(requirement)}"


def server_conformance_path(server: SiteServer) -> str:
    """Return the path of the page about the conformance of a server, which has all requirements and cases."""
    return f"conformance/{slug(server.spec)}/servers/{slug(server.name)}.html"


def case_anchor(case: str) -> str:
    """Return the anchor of a case on the page about the conformance of a server, or on that of the spec's cases."""
    return f"case-{slug(case)}"


def cases_path(spec: str) -> str:
    """Return the path of the page with the cases of a spec."""
    return f"specs/{slug(spec)}/cases.html"
