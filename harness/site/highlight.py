"""Highlights source code as HTML with classes, which the style sheet of the site colours."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.extras import require

if TYPE_CHECKING:  # it comes with jinja2, which is an optional extra
    from markupsafe import Markup

EXTRA = "site"


def highlight(code: str, *, file: str = "", language: str = "", lines: str = "") -> Markup:
    """Return code as escaped HTML, for the inside of a `<pre>` element; plain text where the language is unknown.

    Args:
        code: the code.
        file: the name of its file, from which the language is taken.
        language: the name of the language, where there is no file.
        lines: the beginning of the ids of its lines: "L" gives the first line the id "L-1"; "" for no ids.
    """
    pygments = require("pygments", EXTRA)
    formatter = require("pygments.formatters", EXTRA).HtmlFormatter(nowrap=True)
    markup: type[Markup] = require("markupsafe", EXTRA).Markup
    text = pygments.highlight(code, _lexer(Path(file).suffix, language), formatter).removesuffix("\n")
    if lines:  # every line is complete in itself: pygments ends its elements before the end of a line
        text = "".join(f'<span id="{lines}-{n}">{line}\n</span>' for n, line in enumerate(text.split("\n"), 1))
    return markup(text)


@cache
def _lexer(suffix: str, language: str) -> Any:
    """Return the lexer of a kind of file, or of a language; that of plain text where there is none."""
    lexers = require("pygments.lexers", EXTRA)
    options = {"stripnl": False, "ensurenl": False}
    try:
        if suffix:
            return lexers.get_lexer_for_filename(f"source{suffix}", **options)
        return lexers.get_lexer_by_name(language, **options)
    except require("pygments.util", EXTRA).ClassNotFound:
        return lexers.TextLexer(**options)
