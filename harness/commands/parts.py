"""Parts of a run: of one spec, or of one class of servers."""

from __future__ import annotations

import msgspec

from harness.errors import UsageError
from harness.model import Run


def only(run: Run, spec: str) -> Run:
    """Return the part of a run that is about one spec; raise UsageError if there is none."""
    servers = tuple(server for server in run.info.implementations if server.spec == spec)
    if not servers:
        raise UsageError(f"{run.info.id} has no server of {spec}")
    return Run(
        msgspec.structs.replace(run.info, implementations=servers),
        cases=[case for case in run.cases if case.spec == spec],
        trials=[trial for trial in run.trials if trial.plan.spec == spec],
        blocks=[block for block in run.blocks if block.spec == spec],
    )


def only_class(run: Run, category: str) -> Run:
    """Return the part of a run that is about one class of servers; raise UsageError if there is none.

    Its blocks have the other servers as well, which a league ignores.
    """
    servers = tuple(server for server in run.info.implementations if server.category == category)
    if not servers:
        known = dict.fromkeys(server.category for server in run.info.implementations)
        raise UsageError(f'{run.info.id} has no server of the class "{category}", only of {", ".join(known)}')
    names = {(server.spec, server.name) for server in servers}
    return Run(
        msgspec.structs.replace(run.info, implementations=servers),
        cases=[case for case in run.cases if (case.spec, case.implementation) in names],
        trials=[trial for trial in run.trials if (trial.plan.spec, trial.plan.implementation) in names],
        blocks=run.blocks,
    )
