"""A run as data for other programs: as JSON, and as JUnit's XML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree import ElementTree

from harness import plugins
from harness.conformance.pool import combine_results
from harness.league.measures import MEASURES
from harness.league.report_card import League, leagues
from harness.league.rows import Row
from harness.model import CheckResult, Run, Verdict
from harness.plugins import Reporter, ReportView, hookimpl
from harness.records import to_pretty_json
from harness.report.columns import has_interval


def conformance(results: Sequence[CheckResult]) -> str:
    """Return the results of the cases as JSON: {"results": [{"implementation": ..., "cases": [...]}]}."""
    plain = [
        {
            "implementation": result.implementation,
            "spec": result.spec,
            "verdict": result.verdict,
            **({"message": result.message} if result.message else {}),
            "cases": [
                {
                    "id": case.id,
                    "requirements": case.requirements,
                    "level": case.level,
                    "verdict": case.verdict,
                    "message": case.message,
                    "seconds": case.seconds,
                    "facts": case.facts,
                    "used": case.used,
                }
                for case in result.cases
            ],
        }
        for result in results
    ]
    return to_pretty_json({"results": plain}).decode() + "\n"


def junit(results: Sequence[CheckResult]) -> str:
    """Return the results of the cases as JUnit's XML, with a suite for each server and a test case for each case.

    A server that no case ran on has a test case "start", so that its suite does not look as if all were well.
    """
    root = ElementTree.Element("testsuites")
    for result in results:
        name = _clean(f"{result.spec}.{result.implementation}")
        unstarted = "" if result.cases or not result.message else _tag(result.verdict)
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=name,
            tests=str(len(result.cases) + bool(unstarted)),
            failures=str(result.count(Verdict.FAIL)),
            errors=str(result.count(Verdict.ERROR, Verdict.UNKNOWN) + (unstarted == "error")),
            skipped=str(result.count(Verdict.UNSUPPORTED, Verdict.BLOCKED) + (unstarted == "skipped")),
            time=f"{sum(case.seconds for case in result.cases):.3f}",
        )
        if unstarted:
            element = ElementTree.SubElement(suite, "testcase", classname=name, name="start", time="0.000")
            text = _clean(result.message)
            ElementTree.SubElement(element, unstarted, message=text).text = text
        for case in result.cases:
            element = ElementTree.SubElement(
                suite,
                "testcase",
                classname=name,
                name=_clean(case.id),
                time=f"{case.seconds:.3f}",
            )
            tag = _tag(case.verdict)
            if tag == "system-out":
                ElementTree.SubElement(element, tag).text = f"{case.verdict}: {_clean(case.message)}"
            elif tag:
                text = f"{case.level} {', '.join(case.requirements)}: {_clean(case.message)}"
                ElementTree.SubElement(element, tag, message=text).text = text
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _tag(verdict: Verdict) -> str:
    """Return the element that JUnit has for a verdict; "" for a pass, which has none."""
    return {
        Verdict.FAIL: "failure",
        Verdict.ERROR: "error",
        Verdict.UNKNOWN: "error",
        Verdict.UNSUPPORTED: "skipped",
        Verdict.BLOCKED: "skipped",
        Verdict.WARN: "system-out",
        Verdict.INFO: "system-out",
    }.get(verdict, "")


def _clean(text: str) -> str:
    # XML cannot express most control characters, and a server may have printed any of them.
    return "".join(char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)


def _checked(run: Run) -> Iterator[CheckResult]:
    """Yield the verdict on each server of a run; of those that no case ran on, with the reason if it is known."""
    for server in run.info.implementations:
        result = combine_results(server, [case for case in run.cases if case.spec == server.spec])
        if not result.cases:
            unbuilt = run.info.unbuilt.get(server.key, "")
            result = CheckResult(
                implementation=server.name,
                spec=server.spec,
                verdict=Verdict.UNKNOWN if unbuilt else Verdict.UNSUPPORTED,
                message=unbuilt or run.info.unavailable.get(server.key, "") or result.message,
            )
        yield result


def _whole_run(run: Run, view: ReportView) -> str:
    whole = {
        "run": run.info,
        "figures": _figures(run),
        "leagues": [_league(league) for league in leagues(run, view.by, view.weights)],
        "cases": list(run.cases),
        "trials": list(run.trials),
        "blocks": list(run.blocks),
    }
    return to_pretty_json(whole).decode() + "\n"


def _figures(run: Run) -> dict[str, dict[str, object]]:
    """Return what is known of the figures of a run: {"deliveries_per_s": {"label": ..., "better": "more", ...}}."""
    measured = {name for trial in run.trials for name in trial.figures}
    measured |= {name for block in run.blocks for result in block.slices for name in result.figures}
    return {
        name: {
            "label": figure.label,
            "unit": {"symbol": figure.unit.symbol, "size": figure.unit.size},
            "better": figure.better.value,
            "meaning": figure.meaning,
        }
        for name, figure in plugins.figures().items()
        if name in measured
    }


def _league(league: League) -> dict[str, object]:
    """Return a league as plain data: its rows from the best to the worst, with ranks, tiers and intervals."""
    return {
        "spec": league.spec,
        "weights": dict(league.weights),
        "blocks": league.blocks,
        "disturbed_share": league.disturbed,
        "invalid": league.invalid,
        "rows": [_row(row) for row in league.rows],
    }


def _row(row: Row) -> dict[str, object]:
    plain: dict[str, object] = {"server": row.implementation.name, "position": row.position, "note": row.note}
    if row.position and row.score:
        plain |= {
            "rank": row.rank,
            "score": row.score.value,
            "score_interval": [row.score.low, row.score.high] if has_interval(row) else None,
            "measures": {
                name: {
                    "figure": MEASURES[name].figure.name,
                    "median": standing.summary.median if standing.summary else None,
                    "rank": standing.rank,
                    "tier": standing.tier,
                    "generator_limited": standing.is_limited,
                }
                for name, standing in row.standings.items()
            },
        }
    return plain


@hookimpl
def harness_reporters() -> list[Reporter]:
    """Return the reporters of this module."""
    return [
        Reporter(name="json", summary="the whole run as JSON", render=_whole_run),
        Reporter(
            name="junit",
            summary="the conformance part as JUnit XML",
            render=lambda run, view: junit(list(_checked(run))),
        ),
    ]
