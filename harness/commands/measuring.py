"""What `bench` and `run` have in common: the time they may take, and a run on disk."""

from __future__ import annotations

import math
import random
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from harness import __version__, plugins, results
from harness.addresses import require_loopback
from harness.commands.changed_sources import digests, set_aside_changed
from harness.errors import UsageError, nearest
from harness.escapes import visible
from harness.kinds import Workload
from harness.load.engine import choose
from harness.model import Implementation, Run, RunInfo
from harness.processes import sandbox
from harness.processes.standstill import active_s
from harness.results import Store
from harness.zoo import machine
from harness.zoo.code_lines import code_lines
from harness.zoo.discover import why_unavailable


@dataclass(frozen=True)
class Clock:
    """How long a run may take, on the clock of `active_s`.

    Attributes:
        more_until_s: until when there may be more blocks than planned.
        end_s: when all cases, blocks and trials have ended.
    """

    more_until_s: float
    end_s: float = math.inf

    @classmethod
    def of(cls, for_s: float, within_s: float) -> Clock:
        """Return the clock of a run that starts now, from `--for` and `--within` in seconds; a limit is made use of."""
        now = active_s()
        return cls(now + (for_s or (within_s if math.isfinite(within_s) else 0)), now + within_s)

    @property
    def is_limited(self) -> bool:
        """Whether the run has an end."""
        return math.isfinite(self.end_s)

    @property
    def left_s(self) -> float:
        """The time until the end."""
        return self.end_s - active_s()

    @property
    def is_extended(self) -> bool:
        """Whether there may be more blocks than planned now."""
        return active_s() < self.more_until_s


def new_run(
    implementations: Sequence[Implementation],
    profile: str,
    reference: str = "",
    workloads: Sequence[str] = (),
    *,
    smoke: bool = False,
    references: bool = False,
) -> tuple[Store, Run]:
    """Create the folder of a new run, with no result in it yet.

    Args:
        implementations: the servers that were selected.
        profile: a name in `PROFILES`.
        reference: the first server with an A/A control; "" for the first idiomatic one of each spec.
        workloads: those to measure beside the league; () for those of the profile.
        smoke: whether servers are checked with the smoke cases only.
        references: whether the products that are installed stand beside the servers.

    Raises:
        UsageError: the reference is not among the servers, or a workload is unknown or not in the profile.
    """
    require_loopback()
    names = dict.fromkeys(server.name for server in implementations)
    if reference and reference not in names:
        raise UsageError(f'the reference "{reference}" is not among the servers{nearest(reference, names)}')
    for workload in workloads_named(workloads):
        if profile not in workload.profiles:
            others = " or ".join(workload.profiles)
            raise UsageError(f"the workload {workload.name} is not in the profile {profile}: use --profile {others}")
    now = datetime.now(UTC)
    info = RunInfo(
        id=f"{now:%Y%m%dT%H%M%S}-{random.randrange(16**4):04x}",
        started=now.isoformat(timespec="seconds"),
        command=visible(shlex.join(["harness", *sys.argv[1:]])),
        version=__version__,
        commit=machine.commit(),
        machine=machine.describe(),
        profile=profile,
        workloads=tuple(workloads),
        smoke=smoke,
        references=tuple(installed_references() if references else ()),
        sandbox=sandbox.is_on(),
        seed=random.randrange(2**32),
        implementations=tuple(implementations),
        unavailable={server.key: reason for server in implementations if (reason := why_unavailable(server))},
        toolchains=machine.toolchains(implementations),
        code_lines={server.key: code_lines(server) for server in implementations},
        sources=digests(implementations),
        reference=reference,
        engine=choose.engine_name(),
    )
    return results.create(info), Run(info, [], [])


def workloads_named(names: Sequence[str]) -> list[Workload]:
    """Return workloads by their names; raise UsageError where there is none of that name."""
    known = plugins.workloads()
    for name in names:
        if name not in known:
            raise UsageError(f'there is no workload "{name}"{nearest(name, known)}; known: {", ".join(known)}')
    return [known[name] for name in names]


def reopen(name: str | None) -> tuple[Store, Run]:
    """Return an interrupted run, and its results so far."""
    return set_aside_changed(*results.reopen(results.find(name)))


def installed_references() -> list[Implementation]:
    """Return the products that stand beside servers in a league and can run here."""
    every = (reference.implementation for reference in plugins.references().values())
    return [each for each in every if not why_unavailable(each)]
