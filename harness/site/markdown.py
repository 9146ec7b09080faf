"""Renders Markdown that others wrote: HTML in it is text, and a link leads to a page of the site or to the web.

Headings get ids as GitHub makes them, behind "h-", so that they cannot collide with the ids of a page itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, count, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from harness.extras import require
from harness.site.highlight import highlight
from harness.site.page import Passage, relative

if TYPE_CHECKING:  # markdown-it-py is an optional extra
    from markdown_it.token import Token
    from markupsafe import Markup

EXTRA = "site"
HEADING_PREFIX = "h-"
WEB = ("http", "https", "mailto")


def heading_id(title: str) -> str:
    """Return the id of a heading with this text, as GitHub makes it, behind the prefix."""
    kept = re.sub(r"[^\w\- ]", "", title.strip().lower())
    return HEADING_PREFIX + kept.replace(" ", "-")


class Markdown:
    """Renders Markdown files as parts of pages.

    Args:
        targets: for each file that the site shows, the path of its page, with an anchor where it is a part of it.
    """

    def __init__(self, targets: Mapping[Path, str]) -> None:
        markdown_it = require("markdown_it", EXTRA)
        self._parser = markdown_it.MarkdownIt("commonmark", {"html": False, "highlight": _highlight}).enable("table")
        self._parser.add_render_rule("table_open", _table_open)
        self._parser.add_render_rule("table_close", _table_close)
        self._targets = targets
        self._passages: dict[str, list[Passage]] = {}  # a README stands on several pages

    def render(self, text: str, *, file: Path, page: str, lower_by: int = 0, taken: set[str] | None = None) -> Markup:
        """Return a text as HTML.

        Args:
            text: the Markdown.
            file: the file it is from; its relative links are relative to that file.
            page: the path of the page that shows it.
            lower_by: how many levels its headings are lowered, where the page has headings above them.
            taken: the ids of headings that the page has already, where it shows several texts; those of this one
                are added.
        """
        tokens = self._parser.parse(text)
        for token, identifier, _ in _headings(tokens, set() if taken is None else taken):
            token.attrSet("id", identifier)
        for token in tokens:
            if token.type in ("heading_open", "heading_close"):
                token.tag = f"h{min(6, int(token.tag[1:]) + lower_by)}"
            if alignment := token.attrs.pop("style", ""):  # of a cell; pages allow classes and no styles
                token.attrSet("class", str(alignment).removeprefix("text-align:"))
            if token.children:
                token.children = list(self._with_links(token.children, file, page))
        markup: type[Markup] = require("markupsafe", EXTRA).Markup
        return markup(self._parser.renderer.render(tokens, self._parser.options, {}))

    def passages(self, text: str) -> list[Passage]:
        """Return the parts of a text by its headings, for the search."""
        if text not in self._passages:
            self._passages[text] = self._split(text)
        return self._passages[text]

    def _split(self, text: str) -> list[Passage]:
        lines, found = text.splitlines(), list[Passage]()
        begins, anchor, heading = 0, "", ""
        for token, identifier, title in _headings(self._parser.parse(text), set()):
            first, last = token.map or (0, 0)
            found.append(Passage(anchor, heading, "\n".join(lines[begins:first])))
            begins, anchor, heading = last, identifier, title
        found.append(Passage(anchor, heading, "\n".join(lines[begins:])))
        return [each for each in found if each.title or each.text.strip()]

    def _with_links(self, tokens: Sequence[Token], file: Path, page: str) -> list[Token]:
        """Return the tokens of a line with the links of this page; what leads nowhere loses its link, not its text."""
        kept: list[Token] = []
        is_link = True
        for token in tokens:
            if token.type == "link_open":
                target = self._target(str(token.attrGet("href") or ""), file, page)
                is_link = bool(target)
                if not is_link:
                    continue
                token.attrSet("href", target)
                if urlsplit(target).scheme:
                    token.attrSet("rel", "noopener noreferrer")
            elif token.type == "link_close" and not is_link:
                continue
            elif token.type == "image":  # pictures are of elsewhere, and nothing is loaded from there
                token.type, token.tag, token.children = "text", "", None
            kept.append(token)
        return kept

    def _target(self, link: str, file: Path, page: str) -> str:
        """Return where a link leads from a page of the site; "" where it leads nowhere."""
        if not link:
            return ""
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            return link if parts.scheme in WEB else ""
        anchor = f"#{HEADING_PREFIX}{unquote(parts.fragment)}" if parts.fragment else ""
        try:
            path = (file.parent / unquote(parts.path)).resolve() if parts.path else file.resolve()
        except (ValueError, OSError):  # U+0000, or a name that is too long
            return ""
        found = self._targets.get(path) or self._targets.get(path / "README.md")
        if found is None:
            return anchor if not parts.path else ""
        return relative(found.partition("#")[0] + anchor if anchor else found, page)


def _headings(tokens: Sequence[Token], taken: set[str]) -> Iterator[tuple[Token, str, str]]:
    """Yield the token that opens each heading, the id of the heading, and its text; all ids differ, and are added."""
    for token, following in pairwise(tokens):
        if token.type == "heading_open":
            title = _plain(following.children or [])
            first = heading_id(title)
            identifier = next(each for each in chain([first], (f"{first}-{n}" for n in count(1))) if each not in taken)
            taken.add(identifier)
            yield token, identifier, title


def _plain(tokens: Sequence[Token]) -> str:
    return "".join(token.content for token in tokens if token.type in ("text", "code_inline"))


def _highlight(code: str, language: str, attributes: str) -> str:
    return str(highlight(code, language=language)) if language else ""


def _table_open(renderer: Any, tokens: Sequence[Token], index: int, options: Any, environment: Any) -> str:
    return '<div class="scroll" role="region" aria-label="Table" tabindex="0"><table>\n'


def _table_close(renderer: Any, tokens: Sequence[Token], index: int, options: Any, environment: Any) -> str:
    return "</table></div>\n"
