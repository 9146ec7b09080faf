"""Badges: small pictures for a README that say how a server did, one about conformance and one about the league.

A badge names its server in its title, which screen readers read and a mouse shows. Its text is as wide as a table of
widths says, in whatever font the reader has.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from harness.conformance.pool import combine_results
from harness.errors import HarnessError
from harness.escapes import visible
from harness.league.report_card import League, leagues
from harness.league.rows import Row
from harness.model import CheckResult, Implementation, Run, Verdict
from harness.report.columns import has_interval, score_tiers
from harness.site.page import slug

# White text on each of them has a contrast of at least 4.5 (WCAG AA).
DARK, GOOD, BAD, NEUTRAL, FIGURE = "#3d444d", "#1a7f37", "#b42318", "#656d76", "#0b5cad"
HEIGHT, FONT_SIZE, PADDING = 20, 11, 6
LONGEST = 60  # characters of a text
# Advance widths of DejaVu Sans in thousandths of the font's size, by the characters that have about that width.
WIDTHS = {
    280: "'ijl",
    300: "IJ",
    320: " ,.",
    340: "/:;\\|",
    355: "f-",
    395: "()[]t!",
    411: "r",
    460: '"',
    500: "*_`–",
    525: "sz?",
    553: "cL",
    579: "Fk",
    592: "vxy",
    612: "PTYoae",
    636: "EhnuSbdgpq$0123456789{}",
    656: "K",
    686: "AVXZBRC",
    740: "UN",
    775: "HDG&",
    787: "OQ",
    838: "w#+<=>^~≥",
    863: "M",
    950: "%",
    980: "mW",
}
WIDTH_OF = {character: width for width, characters in WIDTHS.items() for character in characters}
USUAL_WIDTH, WIDE_WIDTH = 640, 1000
TEMPLATE = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img" aria-labelledby="title">
<title id="title">{title}</title>
<clipPath id="shape"><rect width="{width}" height="{height}" rx="3"/></clipPath>
<g clip-path="url(#shape)">
<rect width="{split}" height="{height}" fill="{dark}"/>
<rect x="{split}" width="{rest}" height="{height}" fill="{colour}"/>
</g>
<g fill="#fff" font-family="DejaVu Sans,Verdana,Geneva,sans-serif" font-size="{size}" aria-hidden="true">
<text x="{padding}" y="14" textLength="{label_width}" lengthAdjust="spacingAndGlyphs">{label}</text>
<text x="{text_x}" y="14" textLength="{text_width}" lengthAdjust="spacingAndGlyphs">{text}</text>
</g>
</svg>
"""


@dataclass(frozen=True)
class Badge:
    """A badge.

    Attributes:
        path: its path in the folder of badges.
        title: what it says, as a sentence.
        label: its left half.
        text: its right half.
        colour: of the right half.
    """

    path: str
    title: str
    label: str
    text: str
    colour: str

    def svg(self) -> str:
        """Return it as a picture."""
        label, text = (_shown(each) for each in (self.label, self.text))
        label_width, text_width = text_width_px(label), text_width_px(text)
        split, rest = label_width + 2 * PADDING, text_width + 2 * PADDING
        return TEMPLATE.format(
            width=split + rest,
            height=HEIGHT,
            title=_escaped(visible(self.title)),
            split=split,
            rest=rest,
            dark=DARK,
            colour=self.colour,
            size=FONT_SIZE,
            padding=PADDING,
            label_width=label_width,
            label=_escaped(label),
            text_x=split + PADDING,
            text_width=text_width,
            text=_escaped(text),
        )


def _shown(text: str) -> str:
    shown = visible(text)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"


def _escaped(text: str) -> str:
    # A lone surrogate, which stands for a byte of a path, is no character of XML; other such characters are visible.
    return escape(text.encode(errors="replace").decode())


def text_width_px(text: str) -> int:
    """Return how wide a text of a badge is, in pixels."""
    thousandths = sum(
        WIDTH_OF.get(character, WIDE_WIDTH if unicodedata.east_asian_width(character) in "WF" else USUAL_WIDTH)
        for character in text
    )
    return max(1, round(thousandths * FONT_SIZE / 1000))


def badges(run: Run) -> Iterator[Badge]:
    """Yield the badges of each server of a run."""
    for league in leagues(run):
        letters = score_tiers(league)
        for row in league.rows:
            server = row.implementation
            cases = [case for case in run.cases if case.spec == server.spec]
            yield _conformance(server, combine_results(server, cases), is_smoke=run.info.smoke)
            yield _league(league, row, letters.get(server.name, ""))


def badge_path(server: Implementation, kind: str) -> str:
    """Return the path of a badge in the folder of badges.

    Args:
        server: the server.
        kind: "conformance" or "league".
    """
    return f"{slug(server.spec)}/{slug(server.name)}-{kind}.svg"


def _conformance(server: Implementation, result: CheckResult, *, is_smoke: bool) -> Badge:
    smoke = " smoke" if is_smoke else ""
    counts = f"{result.passed}/{result.total}"
    text, words, colour = "not checked", "was not checked", NEUTRAL
    if result.verdict is Verdict.PASS:
        text, words, colour = f"pass {counts}{smoke}", f"passes {counts}{smoke} cases", GOOD
    elif result.verdict is Verdict.FAIL:
        text, words, colour = f"fail {counts}{smoke}", f"passes only {counts}{smoke} cases", BAD
    elif result.cases:
        text, words = f"unknown {counts}{smoke}", f"passes {counts}{smoke} cases, without a verdict"
    title = f"{server.name} {words} of {server.spec}"
    return Badge(badge_path(server, "conformance"), title, server.spec, text, colour)


def _league(league: League, row: Row, tier: str) -> Badge:
    server = row.implementation
    path, label = badge_path(server, "league"), f"{server.spec} league"
    if league.invalid:
        return Badge(path, f"{server.spec}: the run is invalid, {league.invalid}", label, "run invalid", NEUTRAL)
    if not (row.position and row.score):
        return Badge(path, f"{server.name} is not ranked in the league of {server.spec}", label, "not ranked", NEUTRAL)
    score = f"score {row.score.value * 100:.0f} %"
    if not tier:
        return Badge(path, f"{server.name}, {server.spec}: {score}, ranks undecided", label, score, FIGURE)
    title = f"{server.name}, {server.spec}: tier {tier}, {score}, rank {row.rank[0]} to {row.rank[1]}"
    if has_interval(row) and row.score:
        title += f", interval {row.score.low * 100:.0f} to {row.score.high * 100:.0f} %"
    return Badge(path, title, label, f"tier {tier}, {score}", FIGURE)


def write_badges(run: Run, folder: Path) -> list[Path]:
    """Write the badges of a run into a folder, in a folder for each spec; return their paths.

    Raises:
        HarnessError: one cannot be written.
    """
    paths = []
    for badge in badges(run):
        path = folder / badge.path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(badge.svg(), "utf-8")
        except OSError as error:
            raise HarnessError(f"{path} cannot be written: {error.strerror}") from None
        paths.append(path)
    return paths
