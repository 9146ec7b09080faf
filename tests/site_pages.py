"""Reads the pages of a generated site, and makes the runs that the tests of the site are about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import numpy as np

from harness import plugins
from harness.blocks import BlockResult, Entry, Role, SliceResult
from harness.model import CaseResult, Evidence, Implementation, Level, Requirement, Run, Verdict
from harness.plugins import hookimpl
from tests.sample_runs import block_of, paced_slice, run_of
from tests.simulated_runs import THROUGHPUTS, slice_of

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
CELLS = {"td", "th", "dt", "dd", "li", "p"}
SVG_LEAVES = {"circle", "line", "path", "rect", "use", "polyline", "polygon"}
ALERT = "<script>alert(1)</script>"
HOSTILE_README = f"""# {ALERT}

{ALERT} <img src=x onerror=alert(1)> <a href="javascript:alert(1)">here</a>

- **A slow client** gets {ALERT} [text](javascript:alert(1)), [data](data:text/html,{ALERT}) and
  ![a picture](https://elsewhere.example/picture.png "x").
- [a file](file:///etc/passwd), [nowhere](//elsewhere.example/), [web](https://elsewhere.example/?a=1&b=2),
  [mail](mailto:a@b.example)
- [upwards](../../../../../../etc/passwd), [vb](VBScript:x), [spaced](java\tscript:alert(1)), <javascript:alert(1)>

```html
{ALERT}</code></pre>{ALERT}
```
"""
HOSTILE_SOURCE = f'print("{ALERT}</pre>")  # </span>{ALERT}\n'


@dataclass
class ParsedPage:
    """What tests want to know about a page.

    Attributes:
        elements: its elements, as name and attributes.
        text: its text, without that of scripts.
        scripts: the texts of its script elements.
        problems: elements that are closed in another order than they were opened.
    """

    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    text: str = ""
    scripts: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        """Its ids, as often as they occur."""
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]

    def all(self, name: str) -> list[dict[str, str]]:
        """Return the attributes of all elements of a name."""
        return [attributes for element, attributes in self.elements if element == name]


class PageParser(HTMLParser):
    """Parses a page, and notes what is not well-formed."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page, self._open = ParsedPage(), list[str]()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attributes]
        if len(names) != len(set(names)):
            self.page.problems.append(f"<{tag}> has an attribute twice")
        self.page.elements.append((tag, {name: value or "" for name, value in attributes}))
        if tag not in VOID:
            self._open.append(tag)
        if tag in CELLS:
            self.page.text += " "
        if tag == "script":
            self.page.scripts.append("")

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.page.elements.append((tag, {name: value or "" for name, value in attributes}))
        if tag not in SVG_LEAVES | VOID:
            self.page.problems.append(f"<{tag}/> is no empty element")

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.page.problems.append(f"</{tag}> at {self.getpos()} closes nothing, or too early")

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            self.page.scripts[-1] += data
        else:
            self.page.text += data

    def close(self) -> None:
        super().close()
        self.page.problems += [f"<{tag}> stays open" for tag in self._open]


def parse(file: Path) -> ParsedPage:
    """Return a page."""
    parser = PageParser()
    parser.feed(file.read_text("utf-8"))
    parser.close()
    return parser.page


def pages_in(folder: Path) -> Iterator[tuple[Path, ParsedPage]]:
    """Yield the path and the content of each page in a folder."""
    for file in sorted(folder.rglob("*.html")):
        yield file, parse(file)


class HostilePlugin:
    """A plugin with one server, whose every text would be markup if it were not escaped.

    Args:
        folder: an empty folder for its README and its source.
    """

    def __init__(self, folder: Path) -> None:
        (folder / "README.md").write_text(HOSTILE_README)
        (folder / "server.py").write_text(HOSTILE_SOURCE)
        self.server = Implementation(
            name=ALERT,
            spec="broadcast",
            language=f"{ALERT}lang",
            style="callbacks",
            category="idiomatic",
            summary=f"{ALERT} & more",
            source=folder / "server.py",
        )
        # A style that is none is refused where it is declared; a run from elsewhere may have any.
        self.recorded = msgspec.structs.replace(self.server, style='" onmouseover="alert(1)')

    @contextmanager
    def registered(self) -> Iterator[None]:
        """Let the harness know the server for the duration of the context."""
        plugins.manager().register(self)
        try:
            yield
        finally:
            plugins.manager().unregister(self)

    @hookimpl
    def harness_implementations(self) -> list[Implementation]:
        return [self.server]


def hostile_case(server: str, requirement: Requirement) -> CaseResult:
    """Return the result of a case that failed, with markup in all that a server had a hand in.

    Args:
        server: the name of the server.
        requirement: what it broke.
    """
    return CaseResult(
        implementation=server,
        spec="broadcast",
        id=f"case_{ALERT}",
        requirements=(requirement.id,),
        level=Level.MUST,
        verdict=Verdict.FAIL,
        message=f"stderr: {ALERT}",
        facts={"slow client": f"{ALERT} drops"},
        evidence=Evidence(
            expected=ALERT, transcript=f"c0 → {ALERT}\n</pre>{ALERT}", drawing=ALERT, script=ALERT, file=f"{ALERT}.py"
        ),
    )


def passed_case(server: str, requirement: Requirement) -> CaseResult:
    """Return the result of a case that passed.

    Args:
        server: the name of the server.
        requirement: what it checks.
    """
    return CaseResult(
        implementation=server,
        spec="broadcast",
        id="case",
        requirements=(requirement.id,),
        level=Level.MUST,
        verdict=Verdict.PASS,
    )


def run_with(*servers: Implementation, cases: list[CaseResult] | None = None, blocks: int = 8) -> Run:
    """Return a run of servers of one spec, each twice as fast as the one before it, with an A/A control of the second.

    Args:
        servers: the servers.
        cases: the results of cases.
        blocks: how many blocks there are.
    """
    entries = [*(Entry(server.name) for server in servers), Entry(servers[1].name, Role.CONTROL)]
    run = run_of(*(block_with(entries, number) for number in range(blocks)))
    return Run(msgspec.structs.replace(run.info, implementations=servers), cases or [], run.trials, run.blocks)


def declared(*names: str) -> list[Implementation]:
    """Return servers of the zoo by their names."""
    known = {server.name: server for server in plugins.implementations() if server.spec == "broadcast"}
    return [known[name] for name in names]


def with_cpu(result: SliceResult, cpu_ns: float) -> SliceResult:
    """Return a slice with the server's processor time for each delivery."""
    return msgspec.structs.replace(result, figures={**result.figures, "server_cpu_ns_per_delivery": cpu_ns})


def block_with(entries: list[Entry], number: int, spec: str = "broadcast") -> BlockResult:
    """Return a block in which each server has every measure, and each is twice as fast as the one before it.

    Args:
        entries: the servers; a control is as fast as its server.
        number: of the block.
        spec: the name of the spec.
    """
    chance, slices = np.random.default_rng(number), []
    places = {entry.name: place for place, entry in enumerate(entries) if entry.role is Role.SERVER}
    for place, entry in enumerate(entries):
        speed = 2.0 ** places[entry.name] * float(chance.normal(1, 0.01))
        slices += [
            *(slice_of(place, kind, {"deliveries_per_s": 1e6 * speed}) for kind in THROUGHPUTS),
            slice_of(place, "idle", {"rss_idle_bytes": 1e7 * speed}),
            with_cpu(paced_slice(place, (chance.lognormal(12, 0.5, 200) / speed).astype(np.int64)), 1e4 / speed),
        ]
    return block_of(entries, slices, spec=spec, number=number)
