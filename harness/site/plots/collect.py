"""Collects the plots of a league: from the blocks that every run has, and more where it has other workloads too."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from harness.league.report_card import League
from harness.model import Run
from harness.report.curves import Chart
from harness.site.plots.cost_plots import front_plots, memory_plots
from harness.site.plots.plot import Plot
from harness.site.plots.schedule_plots import latency_plots, one_rate_plots, rate_plots
from harness.site.plots.throughput_plots import client_plots, load_plots


def plots_of(run: Run, league: League, charts: Iterable[Chart]) -> list[Plot]:
    """Return the plots for which a run has figures, without the servers that are out: what they did says nothing.

    Args:
        run: the run.
        league: the league of one spec of it.
        charts: the curves of the run (see `harness.report.curves`).
    """
    out = {row.implementation.name for row in league.rows if row.note}
    league = replace(league, rows=[row for row in league.rows if not row.note])
    own = []
    for chart in charts:
        series = [each for each in chart.series if each.server not in out]
        if chart.spec == league.spec and series:
            own.append(replace(chart, series=series))
    return [
        *latency_plots(run, league, own),
        *load_plots(league),
        *client_plots(own),
        *memory_plots(run, league),
        *one_rate_plots(league),
        *rate_plots(run, league, own),
        *front_plots(league),
    ]


def missing(plots: Iterable[Plot]) -> list[str]:
    """Return a sentence for each plot that this run has no figures for: what adds it."""
    have = {plot.id for plot in plots}
    return [sentence for identifier, sentence in ADDED_BY.items() if identifier not in have]


ADDED_BY = {
    "latency": "The latency distribution needs blocks of slices: `harness run` makes them.",
    "clients": "Throughput against clients needs floods with 10, 100 and 1000 clients: `harness run --profile full` "
    "has them.",
    "rate-p99": "p99 and drops against the offered rate need a search for the capacity: `harness run --profile full` "
    "has it.",
    "front": "Score against lines of code needs two ranked servers whose code was counted.",
}
