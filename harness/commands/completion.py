"""What a shell's completion offers for names on the command line: servers, specs, workloads, runs, requirements.

Each completer has the signature of click's `shell_complete`. Where something is wrong, e.g. with a plugin, it offers
nothing: the command itself reports it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

from harness.errors import HarnessError

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _completer(names: Callable[[], Iterable[str]], *, or_files: bool = False, in_lists: bool = False) -> Completer:
    """Return a completer.

    Args:
        names: returns all names; called when a shell asks.
        or_files: offer files where no name matches.
        in_lists: the word is a list with commas, of which the last part is completed.
    """

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",") if in_lists else ("", "", incomplete)
        try:
            matches = sorted({name for name in names() if name.startswith(last)})
        except HarnessError:
            matches = []
        if or_files and not matches:
            return [CompletionItem(incomplete, type="file")]
        return [CompletionItem(f"{before}{comma}{name}") for name in matches]

    return complete


def _servers() -> Iterable[str]:
    from harness import plugins

    return [server.name for server in plugins.implementations()]


def _languages() -> Iterable[str]:
    from harness import plugins

    return [server.language for server in plugins.implementations()]


def _styles() -> Iterable[str]:
    from harness import plugins

    return [server.style for server in plugins.implementations()]


def _specs() -> Iterable[str]:
    from harness import plugins

    return plugins.specs()


def _workloads() -> Iterable[str]:
    from harness import plugins

    return plugins.workloads()


def _reporters() -> Iterable[str]:
    from harness import plugins

    return plugins.reporters()


def _measures() -> Iterable[str]:
    from harness.league.measures import BY_SCORE, MEASURES

    return [BY_SCORE, *MEASURES]


def _weights() -> Iterable[str]:
    from harness.league.measures import MEASURES

    return [f"{name}=" for name in MEASURES]


def _requirements() -> Iterable[str]:
    from harness import plugins
    from harness.requirements import text

    known = plugins.specs().values()
    return [name for spec in known for name in (spec.name, *text.of(spec))]


def _runs() -> Iterable[str]:
    from harness import results

    return [path.name for path in results.folder().glob("*") if (path / results.INFO).is_file()]


servers = _completer(_servers)
servers_or_files = _completer(_servers, or_files=True)
languages = _completer(_languages)
styles = _completer(_styles)
specs = _completer(_specs)
workloads = _completer(_workloads, in_lists=True)
measures = _completer(_measures)
weights = _completer(_weights, in_lists=True)
reporters = _completer(_reporters)
requirements = _completer(_requirements)
runs = _completer(_runs, or_files=True)
runs_or_servers = _completer(lambda: [*_runs(), *_servers()], or_files=True)
