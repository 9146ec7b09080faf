"""What the pages of the site show: a run, its leagues, its servers with their pages, and the specs that they serve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import harness
from harness import plugins
from harness.kinds import DEFAULT_VIEW, ReportView
from harness.league.report_card import League, leagues
from harness.league.rows import Row
from harness.model import CaseResult, Implementation, Requirement, Run, Spec
from harness.requirements import text as requirements
from harness.site.page import slug

PROJECT = Path(harness.__file__).parent.parent  # where spec/, impls/ and docs/ are


@dataclass(frozen=True)
class SiteServer:
    """A server of the run.

    Attributes:
        row: its row of the league, with its implementation, figures, ranks and conformance.
        league: the league of its spec.
        source: the file to read first; None where the server is not installed here, or has none.
    """

    row: Row
    league: League
    source: Path | None = None

    @property
    def implementation(self) -> Implementation:
        """The server itself."""
        return self.row.implementation

    @property
    def name(self) -> str:
        """Its name."""
        return self.implementation.name

    @property
    def spec(self) -> str:
        """The name of its spec."""
        return self.implementation.spec

    @property
    def key(self) -> str:
        """Its identifier in the data of scripts: the spec and the name, each as a slug."""
        return f"{slug(self.spec)}/{slug(self.name)}"

    @property
    def path(self) -> str:
        """The path of its page."""
        return f"servers/{self.key}.html"

    @property
    def cases(self) -> Sequence[CaseResult]:
        """The results of its cases; none where it was not checked."""
        return self.row.checked.cases if self.row.checked else ()

    @property
    def readme(self) -> Path | None:
        """The README in the folder of its source, where there is one."""
        readme = self.source and self.source.parent / "README.md"
        return readme if readme and readme.is_file() else None


@dataclass(frozen=True)
class Site:
    """What all pages are made from.

    Attributes:
        run: the run.
        leagues: of each spec in the run.
        servers: of all leagues, in the order of each.
        specs: the specs of the run that are installed, by name.
        folder: the folder of the run; None where it is not on disk.
    """

    run: Run
    leagues: Sequence[League]
    servers: Sequence[SiteServer]
    specs: Mapping[str, Spec]
    folder: Path | None = None

    def servers_of(self, spec: str) -> Sequence[SiteServer]:
        """Return the servers of a spec, in the order of its league."""
        return [server for server in self.servers if server.spec == spec]

    def requirements_of(self, spec: str) -> Mapping[str, Requirement]:
        """Return the requirements of a spec by id; none where it is not installed."""
        return requirements.of(self.specs[spec]) if spec in self.specs else {}

    @cached_property
    def by_key(self) -> Mapping[tuple[str, str], SiteServer]:
        """The servers by spec and name."""
        return {(server.spec, server.name): server for server in self.servers}


def spec_path(spec: str) -> str:
    """Return the path of the page of a spec."""
    return f"specs/{slug(spec)}.html"


def site_of(run: Run, folder: Path | None = None, view: ReportView = DEFAULT_VIEW) -> Site:
    """Return what the pages about a run are made from.

    Args:
        run: the run.
        folder: where it is on disk, if it is.
        view: how the leagues are ordered.
    """
    found = leagues(run, view.by, view.weights)
    installed = plugins.specs()
    # The paths in a run are those of the machine that made it: a file is read only where an installed server names it.
    sources = {(server.spec, server.name): server.source for server in plugins.implementations()}
    servers = []
    for league in found:
        for row in league.rows:
            source = sources.get((league.spec, row.implementation.name))
            servers.append(SiteServer(row, league, source if source and source.is_file() else None))
    return Site(
        run=run,
        leagues=found,
        servers=servers,
        specs={league.spec: installed[league.spec] for league in found if league.spec in installed},
        folder=folder,
    )
