"""The kill matrix: servers as rows, cases as columns where the width allows it; and a summary of what is wrong."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from harness.conformance.selftest import KillMatrix, KnownServer
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
LEGEND = "# failed   w warned   . passed   - blocked   ? unknown   u unsupported   E error   (blank) did not run"
INDENT = "    "


def matrix_table(matrix: KillMatrix, width: int) -> str:
    """Return a line for each server: a sign for each case where that fits, else the case that caught it."""
    name_width = max((len(server.name) for server in matrix.servers), default=0) + 1
    numbers = sorted({case.number for case in matrix.cases})
    is_wide = name_width + len(numbers) <= width
    lines = _heading(name_width, numbers) if is_wide else []
    for server in sorted(matrix.servers, key=lambda server: (bool(server.breaks), server.breaks, server.name)):
        cells = _signs(matrix, server, numbers) if is_wide else _words(matrix, server)
        lines.append(f"{server.name:{name_width}}{cells}".rstrip()[:width])
    if is_wide:
        lines += ["", *textwrap.wrap(LEGEND, width)]
    return "\n".join(lines)


def _heading(name_width: int, numbers: Sequence[int]) -> list[str]:
    rows = zip(*(f"{number:2}" for number in numbers), strict=True)
    return [f"{'case number' if place == 0 else '':{name_width}}{''.join(row)}" for place, row in enumerate(rows)]


def _signs(matrix: KillMatrix, server: KnownServer, numbers: Sequence[int]) -> str:
    signs = dict.fromkeys(numbers, " ")
    order = list(SIGNS.values())
    number_of = {case.id: case.number for case in matrix.cases}
    for result in matrix.results_of(server):
        number, sign = number_of[result.id], SIGNS[result.verdict]
        # Several cases may share a number: the most severe result is shown.
        if signs[number] == " " or order.index(sign) > order.index(signs[number]):
            signs[number] = sign
    return "".join(signs.values())


def _words(matrix: KillMatrix, server: KnownServer) -> str:
    if not server.breaks:
        count = sum(result.verdict is Verdict.WARN for result in matrix.results_of(server))
        return "conforming" + (f", warned {count} times" if count else "")
    catches = matrix.catches(server)
    if not catches:
        return f"{server.breaks}: SURVIVED"
    more = f" and {len(catches) - 1} more" if len(catches) > 1 else ""
    return f"{server.breaks}: {catches[0].id}{more}"


def matrix_summary(matrix: KillMatrix, width: int, seconds: float, seed: int) -> str:
    """Return what is wrong, a paragraph for each finding, and the totals.

    Args:
        matrix: the results.
        width: columns of the terminal.
        seconds: how long the selftest took.
        seed: its random seed.
    """
    parts = []
    for server in matrix.survivors:
        doubts = [result for result in matrix.results_of(server) if result.verdict is not Verdict.PASS]
        parts += [f"SURVIVED {server.name}: no case detects that it breaks {server.breaks}", *_listed(doubts, width)]
    caught_late = [server.name for server in matrix.late if server not in matrix.survivors]
    if caught_late:
        parts.append(f"LATE {', '.join(caught_late)}: not caught at the first attempt")
    for server, result in matrix.blamed:
        parts += [f"BLAMED {server.name}, which conforms", *_listed([result], width)]
    for result in matrix.errors:
        parts += [f"ERROR {result.implementation}", *_listed([result], width)]
    if matrix.idle_musts:
        parts.append(f"IDLE {', '.join(matrix.idle_musts)}: these requirements caught no mutant")
    mutants = [server for server in matrix.servers if server.breaks]
    conforming = len(matrix.servers) - len(mutants)
    blamed = len({server.name for server, _ in matrix.blamed})
    survived, busy = len(matrix.survivors), len(matrix.musts) - len(matrix.idle_musts)
    totals = [
        f"{len(mutants) - survived} of {len(mutants)} mutants caught, {survived} survived",
        f"{blamed} of {conforming} conforming servers blamed",
        *([f"{busy} of {len(matrix.musts)} MUSTs caught a mutant"] if matrix.musts else []),
        f"{seconds:.0f} s, seed {seed}",
    ]
    parts.append("; ".join(totals))
    return "\n".join("\n".join(textwrap.wrap(part, width)) if not part.startswith(INDENT) else part for part in parts)


def _listed(results: Sequence[CaseResult], width: int) -> list[str]:
    return [
        textwrap.fill(
            f"{result.verdict} {result.requirements[-1]} {result.id}: {result.message}",
            width,
            initial_indent=INDENT,
            subsequent_indent=INDENT,
        )
        for result in results
        if result.verdict is not Verdict.INFO
    ]


def matrix_as_json(matrix: KillMatrix, seed: int) -> dict[str, object]:
    """Return the matrix as data for JSON."""
    return {
        "passed": matrix.passed,
        "seed": seed,
        "idle": matrix.idle_musts,
        "late": [server.name for server in matrix.late],
        "servers": [
            {
                "name": server.name,
                "breaks": server.breaks,
                "caught": bool(matrix.catches(server)),
                "seconds": round(sum(result.seconds for result in matrix.results_of(server)), 1),
                "cases": {result.id: str(result.verdict) for result in matrix.results_of(server)},
            }
            for server in matrix.servers
        ],
    }
