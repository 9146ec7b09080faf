"""Highlights source code as HTML with classes, which the style sheet of the site colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.extras import require

if TYPE_CHECKING:  # pygments is an optional extra
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
    pygments, lexers = require("pygments", EXTRA), require("pygments.lexers", EXTRA)
    formatter = require("pygments.formatters", EXTRA).HtmlFormatter(nowrap=True)
    options = {"stripnl": False, "ensurenl": False}
    try:
        found = (
            lexers.get_lexer_for_filename(file, **options) if file else lexers.get_lexer_by_name(language, **options)
        )
    except require("pygments.util", EXTRA).ClassNotFound:
        found = lexers.TextLexer(**options)
    markup: type[Markup] = require("markupsafe", EXTRA).Markup
    text = pygments.highlight(code, found, formatter).removesuffix("\n")
    if lines:  # every line is complete in itself: pygments ends its elements before the end of a line
        text = "".join(f'<span id="{lines}-{n}">{line}\n</span>' for n, line in enumerate(text.split("\n"), 1))
    return markup(text)
