"""Writes the tables of docs/zoo.md: the servers of the zoo by style and by language.

python -m tests.zoo_page
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from harness import plugins
from harness.model import Implementation
from harness.styles import STYLES

PAGE = Path(__file__).parent.parent / "docs" / "zoo.md"
BEGIN, END = "<!-- servers: `make zoo` writes what is between these lines -->", "<!-- end of servers -->"


def tables() -> str:
    """Return the tables in Markdown."""
    servers = plugins.implementations()
    by_style = [
        f"| {style} | {meaning} | {_names(each for each in servers if each.style == style)} |"
        for style, meaning in STYLES.items()
    ]
    languages = sorted({server.language for server in servers}, key=str.lower)
    by_language = [
        f"| {language} | {_names(each for each in servers if each.language == language)} |" for language in languages
    ]
    return "\n".join(
        [
            *("| style | it is | servers |", "|---|---|---|", *by_style, ""),
            *("| language | servers |", "|---|---|", *by_language),
        ]
    )


def _names(servers: Iterable[Implementation]) -> str:
    """Return the names of servers, each once, and which other specs it serves; italics for tuned, bold for engines."""
    by_name: dict[str, list[Implementation]] = {}
    for server in servers:
        by_name.setdefault(server.name, []).append(server)
    return ", ".join(_label(name, every) for name, every in sorted(by_name.items())) or "–"


def _label(name: str, every: Sequence[Implementation]) -> str:
    mark = {"idiomatic": "", "tuned": "*", "engine": "**"}[every[0].category]
    first = next(iter(plugins.specs()))
    others = [server.spec for server in every if server.spec != first]
    return f"{mark}`{name}`{mark}" + (f" ({', '.join(others)})" if others else "")


def current() -> str:
    """Return the page as it should be."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(current(), "utf-8")
