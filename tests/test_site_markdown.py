"""Markdown that others wrote, as a part of a page."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.site.highlight import highlight
from harness.site.markdown import Markdown, heading_id

HOME = Path("/project/impls/lua_impl/README.md")
TARGETS = {
    HOME: "servers/chatter/lua.html",
    Path("/project/impls/lua_impl/server.lua"): "servers/chatter/lua.html#source",
    Path("/project/impls/perl_impl/README.md"): "servers/chatter/perl.html",
    Path("/project/docs/method.md"): "docs/method.html",
}


def rendered(text: str) -> str:
    return str(Markdown(TARGETS).render(text, file=HOME, page="servers/chatter/lua.html", lower_by=1)).strip()


@pytest.mark.parametrize(
    ("link", "leads_to"),
    [
        ("../perl_impl/README.md", "perl.html"),
        ("../perl_impl/", "perl.html"),
        ("../perl_impl", "perl.html"),
        ("../perl_impl/README.md#the-order", "perl.html#h-the-order"),
        ("server.lua", "#source"),
        ("#findings", "#h-findings"),
        ("../../docs/method.md#ranks-and-tiers", "../../docs/method.html#h-ranks-and-tiers"),
        ("https://elsewhere.example/a?b=c", "https://elsewhere.example/a?b=c"),
        ("HTTPS://elsewhere.example/", "HTTPS://elsewhere.example/"),
        ("mailto:a@b.example", "mailto:a@b.example"),
    ],
)
def test_a_link_leads_to_a_page_of_the_site_or_to_the_web(link: str, leads_to: str) -> None:
    text = rendered(f"[here]({link})")
    assert text.startswith(f'<p><a href="{leads_to}"')
    assert ("rel=" in text) == ("//" in link or "mailto" in link)


@pytest.mark.parametrize(
    "link",
    [
        "server.c",
        "../../../../../etc/passwd",
        "/etc/passwd",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "vbscript:x",
        "data:text/html,x",
        "file:///etc/passwd",
        "//elsewhere.example/",
        "ftp://elsewhere.example/",
        "",
    ],
)
def test_a_link_that_leads_nowhere_is_text(link: str) -> None:
    assert "<a" not in rendered(f"[here]({link}) and [there](<{link}>)")
    assert "here" in rendered(f"[here]({link})")


def test_html_is_text_and_a_picture_is_its_description() -> None:
    assert rendered('<b onclick="x">bold</b>') == "<p>&lt;b onclick=&quot;x&quot;&gt;bold&lt;/b&gt;</p>"
    assert rendered("<div>\n<script>x</script>\n</div>").count("<") == 2  # only the paragraph's own
    assert rendered("![a curve](https://elsewhere.example/x.png)") == "<p>a curve</p>"


def test_headings_have_the_ids_that_links_to_them_have_elsewhere_and_a_lower_level() -> None:
    text = rendered("# One `thing`, & more\n\n## Same\n\n## Same\n\n###### Deep")
    for part in (
        '<h2 id="h-one-thing--more">',
        '<h3 id="h-same">',
        '<h3 id="h-same-1">',
        '<h6 id="h-deep">',
    ):
        assert part in text
    assert heading_id("Ranks and tiers") == "h-ranks-and-tiers"


def test_a_title_that_looks_like_a_numbered_one_keeps_its_own_id() -> None:
    """`Same`, `Same 1` and `Same` again would be same, same-1 and same-1."""
    text = rendered("# Same\n\n# Same 1\n\n# Same")
    assert len({part.partition('"')[0] for part in text.split('id="')[1:]}) == 3


def test_texts_of_one_page_share_no_id() -> None:
    """As the sections of a spec do, which are rendered one by one; the search finds them in the whole text."""
    markdown, taken = Markdown(TARGETS), set[str]()
    parts = ["# Examples\n", "# Examples\n"]
    texts = [str(markdown.render(part, file=HOME, page="specs/chatter.html", taken=taken)) for part in parts]
    assert ['id="h-examples"' in texts[0], 'id="h-examples-1"' in texts[1]] == [True, True]
    assert [passage.anchor for passage in markdown.passages("".join(parts))] == ["h-examples", "h-examples-1"]


def test_code_is_highlighted_by_classes_and_an_unknown_language_is_plain() -> None:
    assert '<span class="k">' in rendered("```python\nif True: pass\n```")
    assert "&lt;b&gt;" in rendered("```klingon\n<b>\n```")
    assert "&lt;b&gt;" in rendered("```\n<b>\n```")
    assert "&lt;b&gt;" in rendered("```html\n<b></b>\n```") or "style=" not in rendered("```html\n<b></b>\n```")
    assert "<b>" not in rendered("```html\n<b></b>\n```")


def test_a_table_scrolls_by_itself() -> None:
    assert rendered("| a |\n|---|\n| b |").startswith(
        '<div class="scroll" role="region" aria-label="Table" tabindex="0">'
    )


def test_the_alignment_of_a_column_is_a_class() -> None:
    html = rendered("| a | b |\n|---|--:|\n| 1 | 2 |")
    assert '<th class="right">b</th>' in html
    assert '<td class="right">2</td>' in html
    assert "style" not in html


def test_each_line_of_a_source_has_an_id() -> None:
    text = str(highlight("a = '<'\n\nb = 2\n", file="server.py", lines="L"))
    assert [f'id="L-{number}"' in text for number in (1, 2, 3, 4)] == [True, True, True, False]
    assert "&lt;" in text and "style=" not in text
    assert str(highlight("<b>", file="server.klingon")) == "&lt;b&gt;"


def test_passages_are_the_parts_below_the_headings() -> None:
    text = "before\n\n# One\n\nfirst\n\n```\n# no heading\n```\n\n## Two\nsecond\n"
    passages = Markdown({}).passages(text)
    assert [(each.anchor, each.title) for each in passages] == [("", ""), ("h-one", "One"), ("h-two", "Two")]
    assert [each.text.strip() for each in passages] == ["before", "first\n\n```\n# no heading\n```", "second"]
