"""The pytest plugin: it gives the cases of a spec their fixtures, and each case a verdict.

    pytest spec/broadcast --impl asyncio -k order -x

A case is an async test function with the marker `case(NUMBER, REQUIREMENT, ...)`. Its level is that of its
requirements. When it has ended without complaint, the whole history of its rooms is judged as well, and the
server must still be alive: so every case is also a case of integrity, order and survival.
"""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from harness import plugins
from harness.conformance import backend
from harness.conformance.api.room import Room
from harness.conformance.api.start import Start
from harness.conformance.reproduce.evidence import Failure, gather_failure
from harness.errors import Inconclusive, HarnessError, LaunchError, UsageError, Violation
from harness.model import Case, Implementation, Level, ServerUsage, Spec, Verdict
from harness.processes.tasks import background_tasks
from harness.requirements import text as requirements
from harness.zoo.discover import select

IMPLEMENTATION = pytest.StashKey[Implementation]()
NOTES = pytest.StashKey[list[str]]()
CASE = pytest.StashKey[Case]()
FACTS = pytest.StashKey[dict[str, str]]()
USED = pytest.StashKey[tuple[ServerUsage, ...]]()
START = pytest.StashKey[Start]()
FAILURE = pytest.StashKey[Failure]()
SEED = pytest.StashKey[int]()
NOTHING_HEARD = {"silent", "closed", "died"}


# --- options and markers


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("harness", "conformance of chat servers")
    group.addoption("--spec", metavar="NAME", help="what the cases that several specs share are run for")
    group.addoption("--impl", metavar="NAME|PATH", help="the server that the cases of a spec are run on")
    group.addoption("--fuzz", metavar="SECONDS", type=float, default=0, help="of random conversations, by default none")
    group.addoption("--seed", metavar="N", type=int, default=0, help="of what is random in the cases")


def pytest_configure(config: pytest.Config) -> None:
    # Now, and not with the rest: of two plugins' fixtures the one counts that came last, and anyio's is here already.
    config.pluginmanager.register(backend, backend.__name__)
    for line in (
        "case(number, *requirements): a case of a spec, and the ids of what it checks",
        "smoke: one of the few cases that tell quickly whether a server works at all",
        "gate(place): all other cases are blocked when this one fails; gates run first, in the order of their places",
        "slow: started first, because it takes long",
        "fuzz: runs for as long as --fuzz says, and not without it",
    ):
        config.addinivalue_line("markers", line)


# --- collecting


def spec_of(path: Path, config: pytest.Config) -> Spec | None:
    """Return the spec whose folder of cases a file is in, or for shared cases the one that was named."""
    known = plugins.specs()
    own = next((one for one in known.values() if one.cases in path.parents), None)
    if own or not any(folder in path.parents for one in known.values() for folder in one.shares):
        return own
    if (name := config.getoption("--spec")) not in known:
        raise UsageError(f"{path}: these cases are for several specs: name one with --spec ({', '.join(known)})")
    return known[name]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen: list[pytest.Item] = []
    for item in items:
        spec = spec_of(item.path, config)
        case = case_of(item, spec) if spec else None
        if case:
            item.stash[CASE] = case
        if case or not spec:
            chosen.append(item)
    own = {_function(item) for item in chosen if not _is_shared(item, config)}
    items[:] = [item for item in chosen if not _is_shared(item, config) or _function(item) not in own]
    if not config.getoption("--fuzz"):
        items[:] = [item for item in items if item.get_closest_marker("fuzz") is None]


def _function(item: pytest.Item) -> str:
    return item.name.partition("[")[0]


def _is_shared(item: pytest.Item, config: pytest.Config) -> bool:
    spec = spec_of(item.path, config)
    return spec is not None and spec.cases not in item.path.parents


def case_of(item: pytest.Item, spec: Spec) -> Case | None:
    """Return a test function as a case, or None for a shared one that a spec has no requirements for.

    Raises UsageError when its marker is missing or wrong.
    """
    marker = item.get_closest_marker("case")
    if marker is None or len(marker.args) < 2:
        raise UsageError(f"{item.nodeid}: a case needs the marker case(number, requirement, ...)")
    number, *ids = marker.args
    known = requirements.of(spec)
    if spec.cases not in item.path.parents:
        ids = list(requirements.ids_of_shared_case(spec, ids))
        if not ids:
            return None
    if unknown := [one for one in ids if one not in known]:
        raise UsageError(f"{item.nodeid}: {spec.text} has no requirement {', '.join(unknown)}")
    levels = {known[one].level for one in ids}
    if len(levels) > 1:
        raise UsageError(f"{item.nodeid}: its requirements are of several levels; make it several cases")
    return Case(
        id=item.name.removeprefix("test_"),
        number=number,
        requirements=tuple(ids),
        level=levels.pop(),
        smoke=item.get_closest_marker("smoke") is not None,
        gate=gate.args[0] if (gate := item.get_closest_marker("gate")) else 0,
        slow=item.get_closest_marker("slow") is not None,
    )


# --- fixtures


@pytest.fixture
def spec(request: pytest.FixtureRequest) -> Spec:
    """The spec whose case is running."""
    found = spec_of(request.path, request.config)
    assert found, f"{request.path} is in no spec's folder"
    return found


@pytest.fixture
def implementation(request: pytest.FixtureRequest, spec: Spec) -> Implementation:
    """The server under test, as it is declared."""
    chosen = request.config.stash.get(IMPLEMENTATION, None)
    if chosen is None:
        word = request.config.getoption("--impl")
        if not word:
            pytest.skip("name a server with --impl")
        chosen = select([word], everything=False, spec=spec.name)[0]
    return chosen


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Tell something about the server that is no verdict: it stands beside the case's result."""
    notes: list[str] = []
    request.node.stash[NOTES] = notes
    return notes.append


@pytest.fixture
def fact(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Tell a property of the server that stands in a column of tables: fact("slow client", "drops new")."""
    facts: dict[str, str] = {}
    request.node.stash[FACTS] = facts
    return facts.__setitem__


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Whatever is random in a case comes from here: the same for the same case and `--seed`."""
    seed = request.node.stash.setdefault(SEED, request.config.getoption("--seed"))
    return random.Random(f"{seed} {request.node.name}")


@pytest.fixture
async def start(request: pytest.FixtureRequest, spec: Spec, implementation: Implementation) -> AsyncIterator[Start]:
    """A way to start the server, for cases about starting, signals and the like."""
    async with background_tasks() as tasks, AsyncExitStack() as stack:
        one = request.node.stash[START] = Start(spec, implementation, stack, tasks)
        yield one
        request.node.stash[USED] = one.usage()
        async with anyio.create_task_group() as leaving:  # at once: nobody hears that the others leave
            for room in one.rooms:
                for client in room.clients:
                    leaving.start_soon(client.hang_up)


@pytest.fixture
def fuzz_s(request: pytest.FixtureRequest) -> float:
    """For how many seconds a case with the marker `fuzz` shall look for a failure."""
    return float(request.config.getoption("--fuzz"))


@pytest.fixture
async def room(start: Start) -> Room:
    """A fresh server and nobody in its room yet."""
    return start.room(await start.server())


# --- verdicts


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Judge the history of every room when the case itself has nothing to complain of."""
    start = pyfuncitem.stash.get(START, None)
    rooms = start.rooms if start else []
    try:
        try:
            outcome = yield
        except BaseException:
            for room in rooms:
                room.check_not_dying()  # then that is what there is to tell, and not what followed from it
            raise
        for room in rooms:
            room.judge()
    except BaseException as error:
        if start and CASE in pyfuncitem.stash:
            _name_what_is_broken(leaf(error), pyfuncitem.stash[CASE], start.spec)
            _keep_evidence(pyfuncitem, start, leaf(error))
        raise
    return outcome


def _name_what_is_broken(error: BaseException, case: Case, spec: Spec) -> None:
    """Let a silence, or a connection that was closed, not be told as a fault in what was heard."""
    of_histories = {clause for kind, clause in spec.faults.items() if kind not in NOTHING_HEARD}
    if isinstance(error, Violation) and error.kind in NOTHING_HEARD and of_histories.issuperset(case.requirements):
        error.requirement = error.requirement or spec.faults.get(error.kind)


def _keep_evidence(item: pytest.Item, start: Start, error: BaseException) -> None:
    """Gather what there is to show while the server still runs."""
    verdict, message, broken = verdict_of(item.stash[CASE].level, error)
    if verdict in (Verdict.FAIL, Verdict.WARN):
        case = item.stash[CASE]
        name = re.sub(r"[^\w.-]+", "-", f"{start.name.removesuffix('.py')}-{start.spec.name}-{case.id}.py").lstrip("-.")
        title = f"{broken or case.requirements[-1]}: {message}"
        found = gather_failure(error, start.spec.codec, start.rooms, start.programs, title=title, name=name)
        if "rng" in getattr(item, "fixturenames", ()):
            found = replace(found, evidence=msgspec.structs.replace(found.evidence, seed=item.stash[SEED]))
        item.stash[FAILURE] = found


def leaf(error: BaseException) -> BaseException:
    """Return the exception that a group of exceptions is about: a Violation where there is one."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    leaves = [leaf(one) for one in error.exceptions]
    return next((one for one in leaves if isinstance(one, Violation)), leaves[0])


def verdict_of(level: Level, error: BaseException | None) -> tuple[Verdict, str, str | None]:
    """Return what an exception (or none) means at a level: the verdict, the message, and the id of the
    requirement when another one than the case's is broken (that one is a MUST)."""
    error = leaf(error) if error else None
    judged = level in (Level.MUST, Level.SHOULD)
    match error:
        case None:
            return (Verdict.PASS if judged else Verdict.INFO), "", None
        case Violation(requirement=str(broken)):
            return Verdict.FAIL, str(error), broken
        case AssertionError() | LaunchError():
            failed = {Level.MUST: Verdict.FAIL, Level.SHOULD: Verdict.WARN}
            return failed.get(level, Verdict.INFO), _sentence(error), None
        case pytest.skip.Exception():
            return Verdict.UNSUPPORTED, str(error), None
        case Inconclusive():
            return Verdict.UNKNOWN, str(error), None
        case HarnessError():
            return Verdict.ERROR, str(error), None
    return Verdict.ERROR, f"{type(error).__name__}: {error}", None


def _sentence(error: BaseException) -> str:
    # pytest appends the compared values to the message of a plain assert, which is told in full elsewhere.
    return str(error).split("\nassert ")[0].strip()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    case = item.stash.get(CASE, None)
    if case and (call.excinfo or call.when == "call"):
        error = call.excinfo.value if call.excinfo else None
        verdict, message, broken = verdict_of(case.level, error)
        said = "; ".join([*filter(None, [message]), *item.stash.get(NOTES, [])])
        report.user_properties += [
            ("requirements", ", ".join(case.requirements)),
            ("level", str(case.level)),
            ("verdict", str(verdict)),
            ("broken", broken or ""),
            ("message", said),
            ("tells_cause", "yes" if isinstance(leaf(error) if error else None, LaunchError) else ""),
        ]
        if error and verdict in (Verdict.FAIL, Verdict.WARN, Verdict.INFO, Verdict.UNKNOWN):
            report.longrepr = f"{case.level} {', '.join(case.requirements)}: {message}"
        if verdict in (Verdict.WARN, Verdict.INFO) and report.failed:
            # A SHOULD that does not hold, or a MAY, fails nobody; a case that could not begin must not go on.
            report.outcome = "passed" if call.when == "call" else "skipped"
            if report.skipped:
                report.longrepr = (str(item.path), item.location[1] or 0, message)
    return report
