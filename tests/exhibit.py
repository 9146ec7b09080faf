"""The diff that the README shows: written by `make exhibit`, and compared with the command's output by a test."""

from __future__ import annotations

from pathlib import Path

from tests.zoo import harness

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
COMMAND = "diff threads_plain asyncio_plain --no-comments --no-imports --context 1"
BEGIN, END = "<!-- exhibit: begin -->", "<!-- exhibit: end -->"


def exhibit() -> str:
    """Return the text between the markers: the command, and the part of its output about one function."""
    printed = harness(*COMMAND.split(), folder=ROOT, columns=120).stdout
    function = printed[printed.index("-def read(") : printed.index("-def write(")].rstrip()
    return f"\n`harness {COMMAND}`, the function that reads from a client:\n\n```diff\n{function}\n```\n"


def shown() -> str:
    """Return the text that the README has between the markers."""
    return README.read_text("utf-8").partition(BEGIN)[2].partition(END)[0]


if __name__ == "__main__":
    text = README.read_text("utf-8")
    README.write_text(text.replace(f"{BEGIN}{shown()}{END}", f"{BEGIN}{exhibit()}{END}"), "utf-8")
