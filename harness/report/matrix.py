"""The kill matrix: mutants as rows, cases as columns where the width allows it, and in words what is wrong."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from harness.conformance.selftest import Known, Matrix
from harness.model import CaseResult, Verdict

SIGNS = {
    Verdict.PASS: ".",
    Verdict.INFO: ".",
    Verdict.FAIL: "#",
    Verdict.WARN: "w",
    Verdict.BLOCKED: "-",
    Verdict.UNSUPPORTED: "u",
    Verdict.UNKNOWN: "?",
    Verdict.ERROR: "E",
}
LEGEND = "# caught   w warned   . let through   - blocked   ? could not tell   (blank) did not run"
INDENT = "    "


def matrix(found: Matrix, width: int) -> str:
    """Return a line for each server: its cell for each case where that fits, else which cases caught it."""
    name = max((len(one.name) for one in found.servers), default=0) + 1
    numbers = sorted({case.number for case in found.cases})
    wide = name + len(numbers) <= width
    lines = _heading(name, numbers) if wide else []
    for one in sorted(found.servers, key=lambda one: (bool(one.breaks), one.breaks, one.name)):
        cells = _cells(found, one, numbers) if wide else _words(found, one)
        lines.append(f"{one.name:{name}}{cells}".rstrip()[:width])
    if wide:
        lines += ["", *textwrap.wrap(LEGEND, width)]
    return "\n".join(lines)


def _heading(name: int, numbers: Sequence[int]) -> list[str]:
    rows = zip(*(f"{number:2}" for number in numbers), strict=True)
    return [f"{'case number' if place == 0 else '':{name}}{''.join(row)}" for place, row in enumerate(rows)]


def _cells(found: Matrix, one: Known, numbers: Sequence[int]) -> str:
    signs = dict.fromkeys(numbers, " ")
    order = list(SIGNS.values())
    number_of = {case.id: case.number for case in found.cases}
    for result in found.of(one):
        number, sign = number_of[result.id], SIGNS[result.verdict]
        # One behaviour may be several cases: the one that says most is shown.
        if signs[number] == " " or order.index(sign) > order.index(signs[number]):
            signs[number] = sign
    return "".join(signs.values())


def _words(found: Matrix, one: Known) -> str:
    if not one.breaks:
        count = sum(result.verdict is Verdict.WARN for result in found.of(one))
        return "lawful" + (f", warned {count} times" if count else "")
    killers = found.killers(one)
    if not killers:
        return f"{one.breaks}: SURVIVED"
    more = f" and {len(killers) - 1} more" if len(killers) > 1 else ""
    return f"{one.breaks}: {killers[0].id}{more}"


def closing(found: Matrix, width: int, seconds: float, seed: int) -> str:
    """Return what is wrong, a paragraph each, and the sum of it all."""
    parts = []
    for one in found.survivors:
        doubts = [result for result in found.of(one) if result.verdict is not Verdict.PASS]
        parts += [f"SURVIVED {one.name}: it breaks {one.breaks}, and no case has seen it", *_told(doubts, width)]
    caught_late = [one.name for one in found.late if one not in found.survivors]
    if caught_late:
        parts.append(f"LATE {', '.join(caught_late)}: let through once or twice before a case has seen it")
    for one, result in found.blamed:
        parts += [f"BLAMED {one.name}, which is lawful", *_told([result], width)]
    for result in found.errors:
        parts += [f"ERROR {result.implementation}", *_told([result], width)]
    if found.idle:
        parts.append(f"IDLE {', '.join(found.idle)}: no mutant was caught by them")
    mutants = [one for one in found.servers if one.breaks]
    innocent = len(found.servers) - len(mutants)
    blamed = len({one.name for one, _ in found.blamed})
    caught, busy = len(mutants) - len(found.survivors), len(found.musts) - len(found.idle)
    parts.append(
        f"{caught} of {len(mutants)} mutants caught, {blamed} of {innocent} lawful servers blamed, "
        f"{busy} of {len(found.musts)} MUSTs caught somebody; {seconds:.0f} s, seed {seed}"
    )
    return "\n".join("\n".join(textwrap.wrap(part, width)) if not part.startswith(INDENT) else part for part in parts)


def _told(results: Sequence[CaseResult], width: int) -> list[str]:
    return [
        textwrap.fill(
            f"{one.verdict} {one.requirements[-1]} {one.id}: {one.message}",
            width,
            initial_indent=INDENT,
            subsequent_indent=INDENT,
        )
        for one in results
        if one.verdict is not Verdict.INFO
    ]


def as_data(found: Matrix, seed: int) -> dict[str, object]:
    """Return it all for other programs."""
    return {
        "passed": found.passed,
        "seed": seed,
        "idle": found.idle,
        "late": [one.name for one in found.late],
        "servers": [
            {
                "name": one.name,
                "breaks": one.breaks,
                "caught": bool(found.killers(one)),
                "seconds": round(sum(result.seconds for result in found.of(one)), 1),
                "cases": {result.id: str(result.verdict) for result in found.of(one)},
            }
            for one in found.servers
        ],
    }
