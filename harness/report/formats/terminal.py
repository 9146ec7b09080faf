"""The league table on a terminal, within its width."""

from __future__ import annotations

import textwrap

from harness.league.kinds_of_machines import by_kind
from harness.league.report_card import League, leagues
from harness.model import Run, RunInfo
from harness.plugins import Reporter, ReportView, hookimpl
from harness.report.columns import table
from harness.report.findings import findings
from harness.report.other_workloads import other_workloads
from harness.report.references import references

WIDE = 1000  # characters
HOW_TO_READ = (
    "#: the ranks that the server can have. score: the geometric mean of its ratios to the best, in percent, with its "
    "simultaneous interval. Letters: tiers. few: deliveries a second, all clients together, with 4 senders and up to "
    "1024 messages in flight; all: everybody sends; one: one message in flight. p99: the 99th percentile of the time "
    "from a message's intended sending to its return to the sender, at 500 messages a second; a message that never "
    "came is later than any. cpu: the server's processor time per delivery at that rate. idle: resident memory with "
    "1000 clients. drops: messages that never came back. pass: cases passed, of those that judge. lines: of code. "
    "baseline: share of the deliveries of a relay that does only what the kernel must do."
)


ENGINES = {
    "native": "load by the native engine",
    "python": "load by the engine in Python, which is slower: the native one was not built, or not wanted",
}


def origin(info: RunInfo) -> str:
    """Return where a run comes from, in a sentence: the command, the machine, the versions."""
    machine = info.machine
    on_cluster = f" with a cluster of {', '.join(info.machines)}" if info.machines else ""
    engine = f"; {ENGINES[info.engine]}" if info.engine else ""
    sandbox = "; servers in a sandbox" if info.sandbox else ""
    toolchains = "".join(f", {version}" for version in info.toolchains.values())
    harness = f"zillions {info.version} at {info.commit or 'no commit'}"
    return (
        f"Made by `{info.command}`{on_cluster} on {machine.processor}, {machine.cores} cores, "
        f"{machine.memory_gib:g} GiB, {machine.kernel}, {machine.python}{toolchains}{engine}{sandbox}; {harness}, "
        f"{info.started}."
    )


def unranked_notes(league: League) -> list[str]:
    """Return for each server that is not ranked why, unless only other workloads were measured, and it has figures."""
    return [
        f"{row.implementation.name}: {row.note or 'not measured'}"
        for row in league.unranked
        if row.note or not row.other_figures
    ]


def _wrapped(text: str, width: int) -> str:
    return textwrap.fill(text, width, break_on_hyphens=False)


def render(run: Run, view: ReportView) -> str:
    """Return the leagues of a run, each with its findings and the unranked servers below.

    A wide view has all columns, the conditions, and where the run comes from as well.
    """
    parts, width = [], view.width
    for league in leagues(run, view.by, view.weights):
        league_table = table(league, width=WIDE if view.is_wide else width, style="simple") if league.blocks else ""
        parts.append(f"{league.spec}\n{league_table}".rstrip())
        parts += filter(None, [other_workloads(league, width=WIDE if view.is_wide else width, style="simple")])
        parts.append("\n".join(_wrapped(line, width) for line in findings(league)))
        parts += filter(None, [references(league, width=width, style="simple")])
        notes = unranked_notes(league)
        parts.append("\n".join(_wrapped(note, width) for note in notes))
        if view.is_wide:
            parts.append("\n".join(_wrapped(line, width) for line in league.conditions))
    for title, part in by_kind(run):
        for league in leagues(part, view.by, view.weights):
            parts.append(_wrapped(f"{league.spec}, only on {title}", width))
            parts.append(table(league, width=WIDE if view.is_wide else width, style="simple"))
    if view.is_wide:
        parts += [_wrapped(HOW_TO_READ, width), _wrapped(origin(run.info), width)]
    return "\n\n".join(filter(None, parts)) + "\n"


@hookimpl
def harness_reporters() -> list[Reporter]:
    """Return the reporter of this module."""
    return [Reporter(name="terminal", summary="the league as a table for a terminal", render=render)]
