"""What the cases found out about servers beside their verdicts: the facts they told, and what was used."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from harness.model import CaseResult, CheckResult, ServerUsage


def facts(cases: Sequence[CaseResult]) -> dict[str, str]:
    """Return all facts that some cases told of one server."""
    return {name: said for case in cases for name, said in case.facts.items()}


def fact_table(results: Sequence[CheckResult], width: int) -> str:
    """Return servers as rows, of several specs with these, and facts as columns, or "" when no case told any.

    Args:
        width: in characters; columns that do not fit are left out, the last ones first.
    """
    several = len({one.spec for one in results}) > 1
    told = {((one.spec,) if several else ()) + (one.implementation,): facts(one.cases) for one in results}
    who = ["spec", "server"] if several else ["server"]
    names = list(dict.fromkeys(name for mine in told.values() for name in mine))
    while names:
        rows = [[*server, *(mine.get(name, "–") for name in names)] for server, mine in told.items() if mine]
        made = tabulate(rows, headers=[*who, *names], tablefmt="simple", disable_numparse=True)
        if len(names) == 1 or max(map(len, made.splitlines())) <= width:
            return made
        names.pop()
    return ""


def in_short(used: ServerUsage) -> str:
    """Return what a server used at last, and since it was ready: "31.2 MB +0.4, 12 fds +0, 3 threads, cpu 0.31 s"."""
    before, after = used.before, used.after
    more_threads = f" {after.threads - before.threads:+}" if after.threads != before.threads else ""
    processes = f", {after.processes} processes" if after.processes > 1 else ""
    return (
        f"{after.rss_bytes / 1e6:.1f} MB {(after.rss_bytes - before.rss_bytes) / 1e6:+.1f}, "
        f"{after.descriptors} fds {after.descriptors - before.descriptors:+}, "
        f"{after.threads} thread{'s' if after.threads != 1 else ''}{more_threads}{processes}, "
        f"cpu {after.cpu_s - before.cpu_s:.2f} s"
    )
