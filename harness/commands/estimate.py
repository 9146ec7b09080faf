"""Says what a check will do before it starts, and about how long it will take.

The time is an estimate from the seconds that the cases took in the last check of each spec on this machine, which are
kept in the cache. For a spec that has not been checked here, it is a guess from the number of its cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from harness.conformance.check import SMOKE_JOBS
from harness.model import CheckResult, Implementation, Spec
from harness.requirements.coverage import cases_of
from harness.zoo import build, cache
from harness.zoo.discover import why_unavailable
from harness.zoo.toolchains import needs

CASE_S = 1.0  # seconds that a case takes, on average over the cases of the three specs


def announcement(servers: Sequence[Implementation], specs: Sequence[Spec], *, jobs: int, smoke: bool) -> str:
    """Return the line that precedes a check of several specs.

    Args:
        servers: the servers to check.
        specs: their specs.
        jobs: how many cases run at a time.
        smoke: whether only the smoke cases run; how long they take is known from an earlier check only.
    """
    names = sorted({server.name for server in servers})
    subject = f"{names[0]} serves" if len(names) == 1 else f"checking {len(names)} servers of"
    specs = [spec for spec in specs if any(server.spec == spec.name for server in servers)]
    cases = {spec.name: len(cases_of(spec)) for spec in specs}
    count = "smoke cases only" if smoke else f"{sum(cases.values())} cases"
    needs.survey(servers, versions=False)
    available = [server for server in servers if not why_unavailable(server)]
    known = _read()
    jobs = min(jobs, SMOKE_JOBS) if smoke else jobs
    seconds, is_guess = 0.0, False
    for server in available:
        key = _key(server.spec, smoke)
        is_guess = is_guess or key not in known
        seconds += known.get(key, 0 if smoke else cases[server.spec] * CASE_S) / jobs
    time = "" if is_guess and smoke else f", {'roughly' if is_guess else 'about'} {_duration(seconds)}"
    builds = " and the time for builds" if time and not all(map(build.is_built, available)) else ""
    return f"{subject} {_enumeration(list(cases))}: {count}{time}{builds}; --spec NAME checks one spec"


def record(results: Sequence[CheckResult], *, smoke: bool) -> None:
    """Keep how long the cases took, for the next announcement.

    Args:
        results: those of a check that ran all cases, or all smoke cases.
        smoke: whether it ran the smoke cases only.
    """
    sums: dict[str, list[float]] = {}
    for result in results:
        if result.cases:
            sums.setdefault(_key(result.spec, smoke), []).append(sum(case.seconds for case in result.cases))
    if not sums:
        return
    data = _read() | {key: sum(each) / len(each) for key, each in sums.items()}
    with suppress(OSError, cache.NoCache):
        _file().parent.mkdir(parents=True, exist_ok=True)
        _file().write_bytes(msgspec.json.encode(data))


def _read() -> dict[str, float]:
    """Return for each key the seconds that the cases took on one server, on average, one case at a time."""
    with suppress(OSError, msgspec.MsgspecError, cache.NoCache):
        return msgspec.json.decode(_file().read_bytes(), type=dict[str, float])
    return {}


def _file() -> Path:
    return cache.folder() / "check_seconds.json"


def _key(spec: str, smoke: bool) -> str:
    return f"{spec} smoke" if smoke else spec


def _duration(seconds: float) -> str:
    if seconds < 95:
        return f"{max(round(seconds / 10), 1) * 10} s"
    return f"{round(seconds / 60)} min"


def _enumeration(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
