"""The league on a terminal, as wide as it is."""

from __future__ import annotations

import textwrap

from harness.league.table import leagues
from harness.model import Run, RunInfo
from harness.plugins import Reporter, hookimpl
from harness.report.columns import table, unranked
from harness.report.findings import findings
from harness.report.other_workloads import other_workloads

HOW_TO_READ = (
    "#: the ranks that a server can have, by deliveries a second. tie: who shares a letter cannot be told apart. "
    "Deliveries: messages received by all clients together, flat out; the median of the blocks (≥: the load "
    "generator was the limit), ± half of what lies between the lowest and the highest; of null: of what a server "
    "reaches that does nothing but what the kernel must do. p50, p99: a sender's way "
    "to itself at a fixed rate, from the intended time of sending. cpu: the server's, for each delivery. idle: "
    "resident memory with idle clients, and what each adds. lines: of code. pass: cases that judge."
)


PUMPS = {
    "native": "load by the native core",
    "python": "load by the core in Python, which is slower: the native one was not built, or not wanted",
}


def origin(info: RunInfo) -> str:
    """Return what made a run: the command, the machine, the versions, in a sentence."""
    one = info.machine
    pump = f"; {PUMPS[info.engine]}" if info.engine else ""
    toolchains = "".join(f", {version}" for version in info.toolchains.values())
    return (
        f"Made by `{info.command}` on {one.processor}, {one.cores} cores, {one.memory_gib:g} GiB, {one.kernel}, "
        f"{one.python}{toolchains}{pump}; zillions {info.version} at {info.commit or 'no commit'}, {info.started}."
    )


def _wrapped(text: str, width: int, indent: str = "") -> str:
    return textwrap.fill(text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def render(run: Run, width: int) -> str:
    """Return the leagues of a run, and under each what did not finish and how it was measured."""
    parts = []
    for league in leagues(run):
        parts.append(f"{league.spec}\n{table(league, width=width, style='simple')}")
        parts += filter(None, [other_workloads(league, width=width, style="simple")])
        parts.append("\n".join(_wrapped(line, width) for line in findings(league)))
        parts.append(
            "\n".join(
                _wrapped(f"{row.implementation.name}: {row.note or 'not measured'}", width) for row in unranked(league)
            )
        )
        if league.conditions:
            parts.append("\n".join(_wrapped(line, width) for line in league.conditions))
    parts.append(_wrapped(HOW_TO_READ, width))
    parts.append(_wrapped(origin(run.info), width))
    return "\n\n".join(filter(None, parts)) + "\n"


@hookimpl
def harness_reporters() -> list[Reporter]:
    return [Reporter(name="terminal", summary="the league as a table for a terminal", render=render)]
