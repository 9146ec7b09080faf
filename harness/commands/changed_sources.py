"""Notices that the source of a server was changed between a run and its resumption."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from harness import results
from harness.model import Implementation, Run
from harness.results import Store
from harness.zoo.build import source_digest


def digests(implementations: Sequence[Implementation]) -> dict[str, str]:
    """Return "spec/server" → a digest of its source; without servers whose source cannot be read."""
    known = {}
    for server in implementations:
        try:
            known[server.key] = source_digest(server)
        except OSError:
            continue
    return known


def set_aside_changed(store: Store, run: Run) -> tuple[Store, Run]:
    """Return a run that is resumed without the results of servers that have changed since, and say which they are.

    Args:
        store: the run on disk; these results are moved to other files.
        run: its results so far.
    """
    now, before = digests(run.info.implementations), run.info.sources
    changed = [name for name, digest in before.items() if now.get(name, digest) != digest]
    if not changed:
        return store, run
    for name in changed:
        spec, _, server = name.partition("/")
        print(
            f"{server} ({spec}) has changed since this run began: it is checked and measured again, and its results "
            f"so far are set aside in {store.path}/{results.SUPERSEDED}*"
        )
    info = msgspec.structs.replace(run.info, sources={**before, **now})
    return results.set_aside(store.path, Run(info, run.cases, run.trials, run.blocks), set(changed))
