"""The evidence for the page that helps to choose a server: what a run shows about each of them."""

from __future__ import annotations

from dataclasses import dataclass

from harness.league.measures import MEASURES
from harness.model import Verdict
from harness.report.facts import reported_facts
from harness.report.numbers import NOTHING, percent, significant
from harness.site.costs import Cost, costs
from harness.site.data import Site, SiteServer

SLOW_CLIENT = "slow client"  # the fact that a case reports: the policy, and after how many bytes
KIND = MEASURES["memory"].kind
SERVED = "clients_refused"  # a figure of workloads that connect many
SEVERAL = 1.05  # cores: from here on a server has used more than one


@dataclass(frozen=True, kw_only=True)
class ServerEvidence:
    """What is known of one server.

    Attributes:
        server: the server.
        problem: why it cannot be recommended, or "": it was not measured, or a requirement does not hold.
        passed: how many of its cases passed, as text.
        costs: its figures (see `harness.site.costs`).
        empty_mb: its memory without clients; None where it was not measured.
        client_kb: what each idle client adds.
        refused_from: the number of clients from which on it refused some; None where it refused none.
        slow_client: what it did with a client that does not read, "" where that was not observed.
        threads: the most threads that the cases saw, with all its processes; None where it was not checked.
        processes: the most processes.
        cores: the most processor time that it used, in cores; None where it was not measured.
        dropped: the share of messages that were lost at a fixed rate; None where it was not measured.
    """

    server: SiteServer
    problem: str
    passed: str
    costs: dict[str, Cost]
    empty_mb: float | None
    client_kb: float | None
    refused_from: int | None
    slow_client: str
    threads: int | None
    processes: int | None
    cores: float | None
    dropped: float | None

    @property
    def policy(self) -> str:
        """The first words of what it does with a slow client: "drops new", "disconnects", "stalls everyone"."""
        return self.slow_client.partition(",")[0]

    @property
    def memory_text(self) -> str:
        """Its memory in MB, and what each client adds in KB: "2.0 + 0.31 KB"."""
        if self.empty_mb is None or self.client_kb is None:
            return NOTHING
        return f"{significant(self.empty_mb)} + {significant(max(0.0, self.client_kb))} KB"

    @property
    def tasks_text(self) -> str:
        """Its threads and processes as "3", or "23 in 4 processes"."""
        if self.threads is None or self.processes is None:
            return NOTHING
        return f"{self.threads} in {self.processes} processes" if self.processes > 1 else str(self.threads)

    @property
    def dropped_text(self) -> str:
        """The share of messages that were lost."""
        return NOTHING if self.dropped is None else percent(self.dropped)

    def as_data(self, page: str) -> dict[str, object]:
        """Return what the script needs.

        Args:
            page: the link to its page.
        """
        figures = {name: cost.value for name, cost in self.costs.items()}
        score = self.server.row.score
        return {
            "name": self.server.name,
            "page": page,
            "language": self.server.implementation.language,
            "problem": self.problem,
            "score": score.value if score else None,
            "figures": figures,
            "lost": self.costs["p99"].text == "lost",
            "emptyMb": self.empty_mb,
            "clientKb": self.client_kb,
            "refusedFrom": self.refused_from,
            "policy": self.policy,
            "threadCount": self.threads,
            "processCount": self.processes,
            "cores": self.cores,
            "dropped": self.dropped,
        }


def evidence(site: Site, server: SiteServer) -> ServerEvidence:
    """Return what the run shows about a server.

    Args:
        site: the site.
        server: the server.
    """
    row, figures = server.row, costs(server)
    checked = row.checked
    ends = [used.after for case in server.cases for used in case.used]
    empty, each = row.figures.get((KIND, "rss_empty_bytes")), row.figures.get((KIND, "rss_per_client_bytes"))
    return ServerEvidence(
        server=server,
        problem=_problem(server),
        passed=f"{checked.passed}/{checked.total}" if checked and checked.cases else NOTHING,
        costs=figures,
        empty_mb=empty.median / 1e6 if empty else None,
        client_kb=each.median / 1e3 if each else None,
        refused_from=_refused_from(site, server),
        slow_client=reported_facts(server.cases).get(SLOW_CLIENT, ""),
        threads=max((usage.threads for usage in ends), default=None),
        processes=max((usage.processes for usage in ends), default=None),
        cores=max(
            (summary.high for (_, name), summary in row.figures.items() if name == "server_cpu_share"), default=None
        ),
        dropped=figures["drops"].value,
    )


def _problem(server: SiteServer) -> str:
    row = server.row
    if row.note:
        return row.note
    if row.checked and row.checked.verdict is not Verdict.PASS:
        return f"conformance: {row.checked.verdict}"
    if row.figures:
        return ""
    return "only other workloads were measured" if row.other_figures else "not measured in this run"


def _refused_from(site: Site, server: SiteServer) -> int | None:
    """Return how many clients a server held when it refused further ones; None where no trial saw that."""
    held = [
        int(trial.figures["clients"])
        for trial in site.run.trials
        if (trial.plan.spec, trial.plan.implementation) == (server.spec, server.name)
        and trial.figures.get(SERVED, 0.0) > 0
        and "clients" in trial.figures
    ]
    return min(held, default=None)
