"""What a style costs and what it buys: the figures of two servers beside each other, and which differences are real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.blocks import Entry
from harness.figures import BUILT_IN
from harness.league.measures import MEASURES, Measure
from harness.league.report_card import League
from harness.load import latency
from harness.report.numbers import NOTHING, in_unit, percent, significant
from harness.site.data import SiteServer

DROPS = BUILT_IN["dropped_share"]
TOO_FEW = "This run has too few blocks for any difference to be significant."
LABELS: Mapping[str, str] = {
    "few": "few senders, M/s",
    "all": "all send, M/s",
    "single": "one in flight, M/s",
    "p99": "p99, ms",
    "cpu": "processor time per delivery, ns",
    "memory": "memory with idle clients, MB",
    "drops": "dropped at a fixed rate",
    "lines": "lines of code",
}


@dataclass(frozen=True)
class Cost:
    """A figure of one server, as a page shows it.

    Attributes:
        text: the figure in its unit, "–" where there is none.
        value: the same as a number; None where there is none, or it stands for something else.
    """

    text: str
    value: float | None = None


def costs(server: SiteServer) -> dict[str, Cost]:
    """Return the figures of a server, by the names in LABELS."""
    found = {name: _measured(server, measure) for name, measure in MEASURES.items()}
    dropped = server.row.figures.get((MEASURES["p99"].kind, DROPS.name))
    found["drops"] = Cost(percent(dropped.median), dropped.median) if dropped else Cost(NOTHING)
    lines = server.row.code_lines
    found["lines"] = Cost(str(lines), lines) if lines else Cost(NOTHING)
    return found


def _measured(server: SiteServer, measure: Measure) -> Cost:
    standing = server.row.standings.get(measure.name)
    summary = standing.summary if standing else server.row.figures.get((measure.kind, measure.figure.name))
    if summary is None:
        return Cost(NOTHING)
    if measure.name == "p99" and summary.median >= latency.HIGHEST_NS:
        return Cost("lost")  # over 1 % of the messages never came, which is later than any latency
    is_limited = standing is not None and standing.is_limited
    return Cost(in_unit(measure.figure, summary.median) + "*" * is_limited, summary.median / measure.figure.unit.size)


def verdicts(league: League, servers: Sequence[SiteServer]) -> dict[str, list[str]]:
    """Return for each measure a row for each server: at the place of each server 1 where it is significantly better.

    Args:
        league: their league.
        servers: all servers, in an order of their own.
    """
    found = {}
    for name, comparisons in league.by_measure.items():
        places = {entry.name: place for place, entry in enumerate(comparisons.entries) if entry == Entry(entry.name)}
        own = [places.get(server.name) for server in servers]
        found[name] = [
            "".join("1" if None not in (i, j) and comparisons.better[i, j] else "0" for j in own) for i in own
        ]
    return found


# --- two servers


@dataclass(frozen=True)
class ComparedCost:
    """A figure of two servers.

    Attributes:
        label: what it is.
        left: of the left server.
        right: of the right server.
        ratio: the left one as a multiple of the right one, "" where there is none.
        better: the name of the one that is significantly better, "" where that is undecided or not tested.
        is_tested: whether the difference was tested.
    """

    label: str
    left: str
    right: str
    ratio: str
    better: str
    is_tested: bool


def compared(left: SiteServer, right: SiteServer) -> list[ComparedCost]:
    """Return the figures of two servers of one league beside each other."""
    both = verdicts(left.league, [left, right])
    rows = []
    for (name, own), other in zip(costs(left).items(), costs(right).values(), strict=True):
        if NOTHING == own.text == other.text:
            continue
        ratio = significant(own.value / other.value) if own.value and other.value else ""
        wins = both.get(name, ["00", "00"])
        better = left.name if wins[0][1] == "1" else right.name if wins[1][0] == "1" else ""
        is_tested = name in both and NOTHING not in (own.text, other.text)
        rows.append(ComparedCost(LABELS[name], own.text, other.text, ratio, better, is_tested))
    return rows


def summary(left: SiteServer, right: SiteServer, rows: Sequence[ComparedCost]) -> list[str]:
    """Return in sentences what each of two servers is better in, and what is undecided.

    Args:
        left: the left server.
        right: the right server.
        rows: their figures beside each other.
    """
    if not left.league.can_distinguish:
        return [TOO_FEW]
    sentences = []
    for name in (left.name, right.name):
        if won := [row.label.partition(",")[0] for row in rows if row.better == name]:
            sentences.append(f"{name} is significantly better in {', '.join(won)}.")
    if undecided := [row.label.partition(",")[0] for row in rows if row.is_tested and not row.better]:
        sentences.append(f"Undecided: {', '.join(undecided)}.")
    return sentences
