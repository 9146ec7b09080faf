"""Sentences of a spec as HTML: all that they have of Markdown is code between backticks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.extras import require

if TYPE_CHECKING:  # markupsafe comes with jinja2, an optional extra
    from markupsafe import Markup

EXTRA = "site"


def with_code(text: str) -> Markup:
    """Return a text as HTML, with what stands between two backticks as code."""
    markup: type[Markup] = require("markupsafe", EXTRA).Markup
    parts = text.split("`")
    if len(parts) % 2 == 0:  # the last backtick has no second one
        parts[-2:] = ["`".join(parts[-2:])]
    pieces = [markup("<code>{}</code>").format(part) if place % 2 else part for place, part in enumerate(parts)]
    return markup("").join(pieces)


def paragraphs(text: str) -> list[Markup]:
    """Return the paragraphs of a docstring, each in one line."""
    return [with_code(" ".join(paragraph.split())) for paragraph in text.split("\n\n") if paragraph.strip()]
