"""Text that others wrote, as Markdown for GitHub in which it stays text.

Names, messages, transcripts and scripts come from servers and their authors. Inside code, GitHub makes nothing of them:
no HTML, no link, no image, no mention of a person, no reference to an issue. So code is the only form in which they get
into a comment, with a fence that they cannot close. Characters that would be invisible, or turn the direction of the
text around, are written as escapes.
"""

from __future__ import annotations

import re

from harness.escapes import visible, visible_lines

SHORTEST_FENCE = 3
BACKTICKS = re.compile("`+")


def code_span(text: str) -> str:
    """Return a text as code within a line; line ends in it become escapes."""
    shown = visible(text) or " "
    fence = "`" * (_longest_run(shown) + 1)
    # One space at each end is taken off by the reader of Markdown, unless there is nothing else. Without it a backtick
    # of the text would lengthen the fence.
    padding = " " if shown.strip(" ") and (shown[0] in "` " or shown[-1] in "` ") else ""
    return f"{fence}{padding}{shown}{padding}{fence}"


def code_block(text: str, language: str = "") -> str:
    """Return a text as a block of code.

    Args:
        text: its lines.
        language: the language for colours, a word of ours.
    """
    shown = visible_lines(text.replace("\r\n", "\n")).strip("\n")
    fence = "`" * max(SHORTEST_FENCE, _longest_run(shown) + 1)
    return f"{fence}{language}\n{shown}\n{fence}"


def _longest_run(text: str) -> int:
    return max(map(len, BACKTICKS.findall(text)), default=0)
