"""The help of all commands in docs/cli.md: written by `make cli`, and compared with the help itself by a test."""

from __future__ import annotations

from pathlib import Path

from harness.commands.main import GROUPS
from tests.zoo import harness

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "cli.md"
BEGIN, END = "<!-- commands: begin -->", "<!-- commands: end -->"


def reference() -> str:
    """Return the part between the markers: the help of all commands, group by group."""
    parts = []
    for group, commands in GROUPS.items():
        parts.append(f"## {group}\n")
        for name in commands:
            printed = harness(name, "--help", folder=ROOT, columns=100).stdout.rstrip()
            parts.append(f"### {name}\n\n```text\n{printed}\n```\n")
    return "\n" + "\n".join(parts)


def written() -> str:
    """Return the part between the markers of the page as it is."""
    return PAGE.read_text("utf-8").partition(BEGIN)[2].partition(END)[0]


if __name__ == "__main__":
    text = PAGE.read_text("utf-8")
    PAGE.write_text(text.replace(f"{BEGIN}{written()}{END}", f"{BEGIN}{reference()}{END}"), "utf-8")
