"""The page that asks five questions and shows the servers that fit, with the evidence for each."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.league.measures import DEFAULT_WEIGHTS
from harness.site.costs import LABELS
from harness.site.data import Site, SiteServer
from harness.site.evidence import SEVERAL, evidence
from harness.site.page import Page, Passage
from harness.site.pages.servers import policy_of

INDEX = "choose.html"
CLIENTS = (10, 100, 1000, 10_000)
MEGABYTES = (10, 30, 100, 300, 1000)
LATE_MS = (1, 2, 5, 20, 100)
LINES = (100, 125, 150, 200, 250)
# Languages whose usual runtimes run the code of one thread at a time, so that only processes use several cores.
ONE_AT_A_TIME = ("JavaScript", "Python", "Ruby", "TypeScript")
# The marks of Markdown around words, and the targets of links.
MARKS = re.compile(r"^- |[*`]|\[(?=[^\]]*\]\()|\]\([^)]*\)")
QUESTIONS = (
    "Which languages do you write?",
    "How many clients at once?",
    "One core, or many?",
    "What must never happen?",
    "How much code may it be?",
)


def pages(site: Site) -> Iterator[Page]:
    """Yield the page that helps to choose a server."""
    by_spec = {league.spec: [evidence(site, each) for each in site.servers_of(league.spec)] for league in site.leagues}
    languages = sorted({server.implementation.language for server in site.servers}, key=str.lower)
    yield Page(
        path=INDEX,
        template="choose.html",
        title="Choose a server",
        context={
            "by_spec": by_spec,
            "claims": {server.key: claim(server) for server in site.servers},
            "languages": languages,
            "questions": QUESTIONS,
            "clients": CLIENTS,
            "megabytes": MEGABYTES,
            "late_ms": LATE_MS,
            "lines": LINES,
            "labels": LABELS,
            "is_default_order": all(league.weights == DEFAULT_WEIGHTS for league in site.leagues),
            "one_at_a_time": ONE_AT_A_TIME,
            "data": {
                "oneAtATime": ONE_AT_A_TIME,
                "several": SEVERAL,
                "specs": {spec: [each.as_data(each.server.path) for each in known] for spec, known in by_spec.items()},
            },
        },
        scripts=("choose.js",),
        passages=[Passage("", "", " ".join(QUESTIONS))],
    )


def claim(server: SiteServer) -> str:
    """Return what the README of a server says about slow clients, as plain text; "" where it says nothing."""
    text = policy_of(server.readme.read_text("utf-8", errors="replace"), server.spec) if server.readme else ""
    return " ".join(MARKS.sub("", text).split())
