"""A run as data for other programs: JSON, and JUnit's XML."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

import msgspec

from harness.conformance.pool import checked
from harness.model import CheckResult, Run, Verdict
from harness.plugins import Reporter, hookimpl
from harness.records import to_json


def conformance(results: Sequence[CheckResult]) -> str:
    """Return what came of the cases as JSON: {"results": [{"implementation": ..., "cases": [...]}]}."""
    plain = [
        {
            "implementation": one.implementation,
            "spec": one.spec,
            "verdict": one.verdict,
            **({"message": one.message} if one.message else {}),
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
                for case in one.cases
            ],
        }
        for one in results
    ]
    return msgspec.json.format(to_json({"results": plain})).decode() + "\n"


def junit(results: Sequence[CheckResult]) -> str:
    """Return what came of the cases as JUnit's XML: a suite a server, a test case a case."""
    root = ElementTree.Element("testsuites")
    for one in results:
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=f"{one.spec}.{one.implementation}",
            tests=str(len(one.cases)),
            failures=str(one.count(Verdict.FAIL)),
            errors=str(one.count(Verdict.ERROR, Verdict.UNKNOWN)),
            skipped=str(one.count(Verdict.UNSUPPORTED, Verdict.BLOCKED)),
            time=f"{sum(case.seconds for case in one.cases):.3f}",
        )
        for case in one.cases:
            element = ElementTree.SubElement(
                suite,
                "testcase",
                classname=f"{one.spec}.{one.implementation}",
                name=case.id,
                time=f"{case.seconds:.3f}",
            )
            tag = {
                Verdict.FAIL: "failure",
                Verdict.ERROR: "error",
                Verdict.UNKNOWN: "error",
                Verdict.UNSUPPORTED: "skipped",
                Verdict.BLOCKED: "skipped",
                Verdict.WARN: "system-out",
                Verdict.INFO: "system-out",
            }.get(case.verdict)
            if tag == "system-out":
                ElementTree.SubElement(element, tag).text = f"{case.verdict}: {_clean(case.message)}"
            elif tag:
                said = f"{case.level} {', '.join(case.requirements)}: {_clean(case.message)}"
                ElementTree.SubElement(element, tag, message=said).text = said
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _clean(text: str) -> str:
    # XML has no way to say most control characters, and a server may have printed any.
    return "".join(one if one.isprintable() or one in "\n\t" else "\N{REPLACEMENT CHARACTER}" for one in text)


def _checked(run: Run) -> list[CheckResult]:
    return [checked(one, [case for case in run.cases if case.spec == one.spec]) for one in run.info.implementations]


def _whole(run: Run, width: int) -> str:
    whole = {"run": run.info, "cases": list(run.cases), "trials": list(run.trials)}
    return msgspec.json.format(to_json(whole)).decode() + "\n"


@hookimpl
def harness_reporters() -> list[Reporter]:
    return [
        Reporter(name="json", summary="the whole run as JSON", render=_whole),
        Reporter(
            name="junit",
            summary="the conformance part as JUnit XML",
            render=lambda run, width: junit(_checked(run)),
        ),
    ]
