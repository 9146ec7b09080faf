"""The page that says how the run was measured: machine, versions, noise, and what does not count, in plain words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from harness.blocks import BlockResult
from harness.league.inference import ERROR, fewest_blocks
from harness.league.report_card import League
from harness.league.slice_scores import MAX_WAIT_SHARE, is_disturbed
from harness.model import Run, Verdict
from harness.report.findings import difference_text
from harness.report.formats.terminal import ENGINES
from harness.site.data import Site, SiteServer
from harness.site.page import Page, Passage
from harness.site.sources import documents

DOCUMENT = "method.md"  # the document with the whole method


@dataclass(frozen=True)
class LeagueMethod:
    """How the league of a spec came about.

    Attributes:
        spec: the name of the spec.
        blocks: how many blocks there are.
        clients: how many clients each server had.
        seconds: how long the blocks took together.
        slices: the kinds of slices, in words.
        measured: how many slices were measured.
        disturbed: how many of them do not count because another process disturbed them.
        ranked: how many servers are ranked.
        pairs: how many pairs of servers there are.
        differing: how many of them differ significantly.
        resolution: the difference from which on a typical pair differs significantly; "" with too few blocks.
        controls: for each A/A control the name of its server and by how much it differs from it.
        checks: how many cases judged each server, from the fewest to the most; "" where none was checked.
    """

    spec: str
    blocks: int
    clients: int
    seconds: float
    slices: str
    measured: int
    disturbed: int
    ranked: int
    pairs: int
    differing: int
    resolution: str
    controls: Sequence[tuple[str, str]]
    checks: str


@dataclass(frozen=True)
class LeftOut:
    """What does not count, and why.

    Attributes:
        reason: the reason, in words.
        servers: those that it holds for, each with its own words.
    """

    reason: str
    servers: Sequence[tuple[SiteServer, str]]


def pages(site: Site) -> Iterator[Page]:
    """Yield the page about the method."""
    methods = [_method(site.run, league) for league in site.leagues]
    left_out = _left_out(site)
    repeated = sum(1 for trial in site.run.trials if trial.disturbed)
    document = next((path for file, path in documents(site) if file.name == DOCUMENT), "")
    context = {
        "info": site.run.info,
        "engine": ENGINES.get(site.run.info.engine, ""),
        "methods": methods,
        "elsewhere": list(dict.fromkeys(sentence for league in site.leagues for sentence in league.machines)),
        "left_out": left_out,
        "trials": len(site.run.trials),
        "repeated": repeated,
        "max_wait": f"{MAX_WAIT_SHARE * 100:g} %",
        "error": f"{ERROR * 100:g} %",
        "fewest_blocks": fewest_blocks(),
        "document": document,
    }
    words = "how the run was measured: machine, processor, kernel, versions, toolchains, noise, disturbed slices, seed"
    yield Page("method.html", "method.html", "Method", context=context, passages=[Passage("", "", words)])


def _method(run: Run, league: League) -> LeagueMethod:
    blocks = [block for block in run.blocks if block.spec == league.spec]
    comparisons, widths = league.comparisons, league.comparisons.half_widths()
    pairs = list(combinations(comparisons.servers, 2))
    return LeagueMethod(
        spec=league.spec,
        blocks=len(blocks),
        clients=blocks[-1].clients if blocks else 0,
        seconds=math.fsum(block.seconds for block in blocks),
        slices=_slices(blocks),
        measured=sum(len(block.slices) for block in blocks),
        disturbed=sum(is_disturbed(result) for block in blocks for result in block.slices),
        ranked=len(league.ranked),
        pairs=len(pairs),
        differing=sum(comparisons.differ(i, j) for i, j in pairs),
        resolution=f"{math.expm1(float(np.median(widths))) * 100:.0f} %" if len(widths) else "",
        controls=[
            (comparisons.entries[server].name, difference_text(comparisons, control, server))
            for control, server in league.controls
        ],
        checks=_checks(league),
    )


def _slices(blocks: Sequence[BlockResult]) -> str:
    """Return the kinds of slices of the last block, with their lengths."""
    return ", ".join(f"{plan.kind} {plan.seconds * 1000:g} ms" for plan in blocks[-1].plan) if blocks else ""


def _checks(league: League) -> str:
    totals = sorted({row.checked.total for row in league.rows if row.checked and row.checked.total})
    if not totals:
        return ""
    return str(totals[0]) if len(totals) == 1 else f"{totals[0]} to {totals[-1]}"


def _left_out(site: Site) -> list[LeftOut]:
    """Return the servers that are not ranked, by the kind of the reason."""
    unavailable: list[tuple[SiteServer, str]] = []
    unbuilt: list[tuple[SiteServer, str]] = []
    failed: list[tuple[SiteServer, str]] = []
    unfinished: list[tuple[SiteServer, str]] = []
    others: list[tuple[SiteServer, str]] = []
    for server in site.servers:
        row = server.row
        if row.position:
            continue
        key = server.implementation.key
        if key in site.run.info.unavailable:
            unavailable.append((server, site.run.info.unavailable[key]))
        elif key in site.run.info.unbuilt:
            unbuilt.append((server, row.note))
        elif row.checked and row.checked.verdict is not Verdict.PASS:
            failed.append((server, row.note))
        elif row.is_unfinished:
            unfinished.append((server, row.note))
        elif row.other_figures and not row.note:
            others.append((server, "only other workloads were measured"))
        else:
            others.append((server, row.note or "no block has it"))
    every = (
        LeftOut("This machine lacks what they need", unavailable),
        LeftOut("They could not be built", unbuilt),
        LeftOut("They did not pass every MUST, or no verdict was reached", failed),
        LeftOut("They died under load or broke a rule that every load verifies", unfinished),
        LeftOut("No block has figures of them", others),
    )
    return [each for each in every if each.servers]
