"""The league table on a terminal, within its width."""

from __future__ import annotations

import textwrap

from harness.league.table import leagues
from harness.model import Run, RunInfo
from harness.plugins import Reporter, hookimpl
from harness.report.columns import table
from harness.report.findings import findings
from harness.report.other_workloads import other_workloads

HOW_TO_READ = (
    "#: the rank interval, by deliveries a second. tie: servers that share a letter do not differ significantly. "
    "pass: cases passed, of those that judge. Deliveries: messages received by all clients together, flat out; the "
    "median of the blocks (≥: the load generator was the limit), ± half the range. baseline: share of what a relay "
    "reaches that does only what the kernel must do. drops: deliveries that never came. p50, p99: time from a "
    "message's intended sending to its return to the sender, at a fixed rate. cpu: the server's processor time per "
    "delivery. idle: resident memory with idle clients. KB per client: what each of them adds. lines: lines of code."
)


ENGINES = {
    "native": "load by the native engine",
    "python": "load by the engine in Python, which is slower: the native one was not built, or not wanted",
}


def origin(info: RunInfo) -> str:
    """Return where a run comes from, in a sentence: the command, the machine, the versions."""
    machine = info.machine
    engine = f"; {ENGINES[info.engine]}" if info.engine else ""
    toolchains = "".join(f", {version}" for version in info.toolchains.values())
    return (
        f"Made by `{info.command}` on {machine.processor}, {machine.cores} cores, {machine.memory_gib:g} GiB, "
        f"{machine.kernel}, {machine.python}{toolchains}{engine}; zillions {info.version} at "
        f"{info.commit or 'no commit'}, {info.started}."
    )


def _wrapped(text: str, width: int) -> str:
    return textwrap.fill(text, width, break_on_hyphens=False)


def render(run: Run, width: int) -> str:
    """Return the leagues of a run, each with its findings, the unranked servers and the conditions below."""
    parts = []
    for league in leagues(run):
        parts.append(f"{league.spec}\n{table(league, width=width, style='simple')}")
        parts += filter(None, [other_workloads(league, width=width, style="simple")])
        parts.append("\n".join(_wrapped(line, width) for line in findings(league)))
        notes = (f"{row.implementation.name}: {row.note or 'not measured'}" for row in league.unranked)
        parts.append("\n".join(_wrapped(note, width) for note in notes))
        if league.conditions:
            parts.append("\n".join(_wrapped(line, width) for line in league.conditions))
    parts.append(_wrapped(HOW_TO_READ, width))
    parts.append(_wrapped(origin(run.info), width))
    return "\n\n".join(filter(None, parts)) + "\n"


@hookimpl
def harness_reporters() -> list[Reporter]:
    """Return the reporter of this module."""
    return [Reporter(name="terminal", summary="the league as a table for a terminal", render=render)]
