"""The league table on a terminal, within its width."""

from __future__ import annotations

import textwrap

from harness.league.report_card import leagues
from harness.model import Run, RunInfo
from harness.plugins import Reporter, ReportView, hookimpl
from harness.report.columns import table
from harness.report.findings import findings
from harness.report.other_workloads import other_workloads

WIDE = 1000  # characters
HOW_TO_READ = (
    "#: the ranks that the server can have. score: the geometric mean of its ratios to the best, in percent, with its "
    "simultaneous interval. Letters: tiers. few: deliveries a second, all clients together, with 4 senders and up to "
    "1024 messages in flight; all: everybody sends; one: one message in flight. p99: the 99th percentile of the time "
    "from a message's intended sending to its return to the sender, at 500 messages a second; a message that never "
    "came is later than any. cpu: the server's processor time per delivery at that rate. idle: resident memory with "
    "1000 clients. drops: messages that never came back. pass: cases passed, of those that judge. lines: of code. "
    "baseline: share of what a relay reaches that does only what the kernel must do."
)


ENGINES = {
    "native": "load by the native engine",
    "python": "load by the engine in Python, which is slower: the native one was not built, or not wanted",
}


def origin(info: RunInfo) -> str:
    """Return where a run comes from, in a sentence: the command, the machine, the versions."""
    machine = info.machine
    engine = f"; {ENGINES[info.engine]}" if info.engine else ""
    sandbox = "; servers in a sandbox" if info.sandbox else ""
    toolchains = "".join(f", {version}" for version in info.toolchains.values())
    return (
        f"Made by `{info.command}` on {machine.processor}, {machine.cores} cores, {machine.memory_gib:g} GiB, "
        f"{machine.kernel}, {machine.python}{toolchains}{engine}{sandbox}; zillions {info.version} at "
        f"{info.commit or 'no commit'}, {info.started}."
    )


def _wrapped(text: str, width: int) -> str:
    return textwrap.fill(text, width, break_on_hyphens=False)


def render(run: Run, view: ReportView) -> str:
    """Return the leagues of a run, each with its findings and the unranked servers below.

    A wide view has all columns, the conditions, and where the run comes from as well.
    """
    parts, width = [], view.width
    for league in leagues(run, view.by, view.weights):
        parts.append(f"{league.spec}\n{table(league, width=WIDE if view.is_wide else width, style='simple')}")
        parts += filter(None, [other_workloads(league, width=WIDE if view.is_wide else width, style="simple")])
        parts.append("\n".join(_wrapped(line, width) for line in findings(league)))
        notes = (f"{row.implementation.name}: {row.note or 'not measured'}" for row in league.unranked)
        parts.append("\n".join(_wrapped(note, width) for note in notes))
        if view.is_wide:
            parts.append("\n".join(_wrapped(line, width) for line in league.conditions))
    if view.is_wide:
        parts += [_wrapped(HOW_TO_READ, width), _wrapped(origin(run.info), width)]
    return "\n\n".join(filter(None, parts)) + "\n"


@hookimpl
def harness_reporters() -> list[Reporter]:
    """Return the reporter of this module."""
    return [Reporter(name="terminal", summary="the league as a table for a terminal", render=render)]
