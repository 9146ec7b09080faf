"""Makes pages from their templates: always escaped, and an undefined variable is an error."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.extras import require
from harness.site.data import Site, spec_path
from harness.site.page import Page, relative, script_json, slug
from harness.site.sources import documents

if TYPE_CHECKING:  # jinja2 is an optional extra
    from jinja2 import Environment
    from markupsafe import Markup

EXTRA = "site"
FOLDER = Path(__file__).parent / "templates"
# What every page loads and does: nothing from elsewhere, and no script or style that stands in the page.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'"
)
DOCS = ("Docs", "docs/index.html")  # an installed harness may have none
NAVIGATION = (
    ("League", "index.html"),
    ("Plots", "plots.html"),
    ("Conformance", "conformance.html"),
    ("Servers", "servers/index.html"),
    ("Compare", "diff.html"),
    ("Choose", "choose.html"),
    ("Specs", "specs/index.html"),
    ("Method", "method.html"),
    DOCS,
)


class Templates:
    """The templates of the site, with what all of them may use.

    Each has the variables of its page, `page`, `site`, `policy` and `navigation`, and the functions `link(path)`, which
    returns the relative link from this page to a path of the site, `data_block(id, data)`, which returns data for the
    page's scripts as a script element of type `application/json`, `quoted(word)`, which returns a word of a command as
    a shell needs it, and `slug(name)` and `spec_path(spec)`.

    Args:
        site: what the pages show.
    """

    def __init__(self, site: Site) -> None:
        jinja2 = require("jinja2", EXTRA)
        self._environment: Environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(FOLDER),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._common: Mapping[str, Any] = {
            "site": site,
            "policy": POLICY,
            "navigation": [entry for entry in NAVIGATION if entry != DOCS or any(documents(site))],
            "slug": slug,
            "spec_path": spec_path,
            "data_block": data_block,
            "quoted": shlex.quote,
        }

    def render(self, page: Page) -> str:
        """Return a page as HTML.

        Raises:
            ValueError: its context has a variable that all pages have, such as the policy.
        """
        common = {**self._common, "page": page, "link": lambda target: relative(target, page.path)}
        if taken := common.keys() & page.context.keys():
            raise ValueError(f"{page.path} must not define {', '.join(sorted(taken))}")
        return self._environment.get_template(page.template).render({**page.context, **common})


def data_block(identifier: str, data: object) -> Markup:
    """Return a script element with data, which a script reads by its id.

    Args:
        identifier: the id of the element.
        data: what `json` can write.
    """
    markup: type[Markup] = require("markupsafe", EXTRA).Markup
    start = markup('<script type="application/json" id="{}">').format(identifier)
    return start + markup(script_json(data)) + markup("</script>")
