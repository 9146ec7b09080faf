"""What the cases report about servers beside verdicts: facts, and the resources that servers used."""

from __future__ import annotations

from collections.abc import Sequence

from harness.model import CaseResult, CheckResult, ServerUsage
from harness.report.tables import tabulated


def reported_facts(cases: Sequence[CaseResult]) -> dict[str, str]:
    """Return all facts that the cases of one server report, by name."""
    return {name: value for case in cases for name, value in case.facts.items()}


def fact_table(results: Sequence[CheckResult], width: int) -> str:
    """Return a table with servers as rows and facts as columns, or "" when no case reports any.

    Args:
        results: the results of the servers; where they serve several specs, each row names its spec.
        width: in characters; columns that do not fit are left out, the last one first.
    """
    several = len({result.spec for result in results}) > 1
    by_server = {
        ((result.spec,) if several else ()) + (result.implementation,): reported_facts(result.cases)
        for result in results
    }
    keys = ["spec", "server"] if several else ["server"]
    names = list(dict.fromkeys(name for facts in by_server.values() for name in facts))
    while names:
        rows = [[*server, *(facts.get(name, "–") for name in names)] for server, facts in by_server.items() if facts]
        text = tabulated(rows, [*keys, *names])
        if len(names) == 1 or max(map(len, text.splitlines())) <= width:
            return text
        names.pop()
    return ""


def usage_text(used: ServerUsage) -> str:
    """Return what a server used at the end, and the change since it was ready, in one line.

    For example "31.2 MB +0.4, 12 fds +0, 3 threads, cpu 0.31 s".
    """
    before, after = used.before, used.after
    more_threads = f" {after.threads - before.threads:+}" if after.threads != before.threads else ""
    processes = f", {after.processes} processes" if after.processes > 1 else ""
    return (
        f"{after.rss_bytes / 1e6:.1f} MB {(after.rss_bytes - before.rss_bytes) / 1e6:+.1f}, "
        f"{after.descriptors} fds {after.descriptors - before.descriptors:+}, "
        f"{after.threads} thread{'s' if after.threads != 1 else ''}{more_threads}{processes}, "
        f"cpu {after.cpu_s - before.cpu_s:.2f} s"
    )
