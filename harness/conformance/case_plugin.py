"""The pytest plugin for cases: it collects them, gives them their fixtures, and each a verdict.

A case is an async test function with the marker `case(NUMBER, REQUIREMENT, ...)`. Its level is that of its
requirements. When it has ended without an error, the whole history of its rooms is judged as well, and the
server must still be alive: so every case is also a case of integrity, order and survival.
"""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import anyio
import msgspec
import pytest

from harness.conformance.api.room import Room
from harness.conformance.api.start import Start
from harness.conformance.collecting import case_of, function_name, is_shared, spec_of
from harness.conformance.outcome import leaf, verdict_of
from harness.conformance.reproduce.evidence import Failure, gather_failure
from harness.errors import LaunchError, Violation
from harness.model import Case, Implementation, ServerUsage, Spec, Verdict
from harness.processes.limits import user_ran_out
from harness.processes.tasks import background_tasks
from harness.servers.ahead import EarlyStarts
from harness.servers.resources import what_ran_out
from harness.zoo.discover import select

IMPLEMENTATION = pytest.StashKey[Implementation]()
NOTES = pytest.StashKey[list[str]]()
CASE = pytest.StashKey[Case]()
FACTS = pytest.StashKey[dict[str, str]]()
USED = pytest.StashKey[tuple[ServerUsage, ...]]()
START = pytest.StashKey[Start]()
FAILURE = pytest.StashKey[Failure]()
IS_PROVED = pytest.StashKey[bool]()  # whether the failure is a fault in a history, whatever the machine did
RAN_OUT = pytest.StashKey[str]()  # what the machine lacked when the case failed, as a sentence
SEED = pytest.StashKey[int]()
EARLY_STARTS = pytest.StashKey[EarlyStarts]()
NOTHING_RECEIVED = {"silent", "closed", "died"}  # kinds of violations


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Make cases of the tests in the folders of specs; a spec's own case replaces a shared one of the same name."""
    chosen: list[pytest.Item] = []
    for item in items:
        spec = spec_of(item.path, config)
        case = case_of(item, spec) if spec else None
        if case:
            item.stash[CASE] = case
        if case or not spec:
            chosen.append(item)
    own = {function_name(item) for item in chosen if not is_shared(item)}
    items[:] = [item for item in chosen if not is_shared(item) or function_name(item) not in own]
    if not config.getoption("--fuzz"):
        items[:] = [item for item in items if item.get_closest_marker("fuzz") is None]
    if not config.getoption("--full") and not config.getoption("keyword"):
        items[:] = [item for item in items if item.get_closest_marker("long") is None]


# --- fixtures


@pytest.fixture
def spec(request: pytest.FixtureRequest) -> Spec:
    """The spec whose case is running."""
    spec = spec_of(request.path, request.config)
    assert spec, f"{request.path} is in no spec's folder"
    return spec


@pytest.fixture
def implementation(request: pytest.FixtureRequest, spec: Spec) -> Implementation:
    """The server under test, as declared by its manifest or found at a path."""
    chosen = request.config.stash.get(IMPLEMENTATION, None)
    if chosen is None:
        word = request.config.getoption("--impl")
        if not word:
            pytest.skip("name a server with --impl")
        chosen = select([word], everything=False, spec=spec.name)[0]
    return chosen


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Add a remark about the server to the case's result; it changes no verdict."""
    notes: list[str] = []
    request.node.stash[NOTES] = notes
    return notes.append


@pytest.fixture
def fact(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Record a property of the server for a column of a table.

    For example, `fact("slow client", "drops new")`.
    """
    facts: dict[str, str] = {}
    request.node.stash[FACTS] = facts
    return facts.__setitem__


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """The source of randomness of a case: the same numbers for the same case and `--seed`."""
    seed = request.node.stash.setdefault(SEED, request.config.getoption("--seed"))
    return random.Random(f"{seed} {request.node.name}")


@pytest.fixture
async def start(request: pytest.FixtureRequest, spec: Spec, implementation: Implementation) -> AsyncIterator[Start]:
    """Starts the server, for cases about starting, signals and the like.

    Args:
        request: the case that asks for it.
        spec: the spec of the case.
        implementation: the server under test.
    """
    async with background_tasks() as tasks, AsyncExitStack() as stack:
        early = request.config.stash.get(EARLY_STARTS, None)
        start = request.node.stash[START] = Start(spec, implementation, stack, tasks, early)
        yield start
        request.node.stash[USED] = start.usage()
        async with anyio.create_task_group() as leaving:  # at the same time: no client is notified of the others
            for room in start.rooms:
                for client in room.clients:
                    leaving.start_soon(client.hang_up)


@pytest.fixture
def fuzz_s(request: pytest.FixtureRequest) -> float:
    """How many seconds a case with the marker `fuzz` looks for a failure."""
    return float(request.config.getoption("--fuzz"))


@pytest.fixture
async def room(start: Start) -> Room:
    """A fresh server without clients."""
    return await start.room_on_any_server()


# --- verdicts


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Judge the history of every room when the case itself raised nothing."""
    start = pyfuncitem.stash.get(START, None)
    rooms = start.rooms if start else []
    try:
        try:
            outcome = yield
        except BaseException:
            for room in rooms:
                room.check_not_dying()  # then its end is the failure, and not what followed from it
            raise
        for room in rooms:
            room.judge()
    except BaseException as error:
        if start and CASE in pyfuncitem.stash:
            _name_broken_requirement(leaf(error), pyfuncitem.stash[CASE], start.spec)
            _keep_evidence(pyfuncitem, start, leaf(error))
        raise
    return outcome


def _name_broken_requirement(error: BaseException, case: Case, spec: Spec) -> None:
    """Report a silence or a closed connection as such, where the case's own requirements are about histories."""
    of_histories = {requirement for kind, requirement in spec.faults.items() if kind not in NOTHING_RECEIVED}
    if isinstance(error, Violation) and error.kind in NOTHING_RECEIVED and of_histories.issuperset(case.requirements):
        error.requirement = error.requirement or spec.faults.get(error.kind)


def _keep_evidence(item: pytest.Item, start: Start, error: BaseException) -> None:
    """Gather the evidence while the server still runs."""
    verdict, message, broken = verdict_of(item.stash[CASE].level, error)
    if verdict in (Verdict.FAIL, Verdict.WARN):
        case = item.stash[CASE]
        name = re.sub(r"[^\w.-]+", "-", f"{start.name.removesuffix('.py')}-{start.spec.name}-{case.id}.py").lstrip("-.")
        title = f"{broken or case.requirements[-1]}: {message}"
        failure = gather_failure(error, start.spec.codec, start.rooms, start.programs, title=title, name=name)
        if "rng" in getattr(item, "fixturenames", ()):
            failure = replace(failure, evidence=msgspec.structs.replace(failure.evidence, seed=item.stash[SEED]))
        item.stash[FAILURE] = failure
        pids = [server.pid for server, _ in start.programs if server and server.status is None]
        item.stash[RAN_OUT] = user_ran_out() or next(filter(None, map(what_ran_out, pids)), "")
        item.stash[IS_PROVED] = isinstance(error, Violation) and error.fault is not None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the verdict to pytest's report, which passes or fails accordingly."""
    report = yield
    case = item.stash.get(CASE, None)
    if case and (call.excinfo or call.when == "call"):
        error = call.excinfo.value if call.excinfo else None
        verdict, message, broken = verdict_of(case.level, error)
        remarks = "; ".join([*filter(None, [message]), *item.stash.get(NOTES, [])])
        report.user_properties += [
            ("requirements", ", ".join(case.requirements)),
            ("level", str(case.level)),
            ("verdict", str(verdict)),
            ("broken", broken or ""),
            ("message", remarks),
            ("states_cause", "yes" if isinstance(leaf(error) if error else None, LaunchError) else ""),
        ]
        if error and verdict in (Verdict.FAIL, Verdict.WARN, Verdict.INFO, Verdict.UNKNOWN):
            report.longrepr = f"{case.level} {', '.join(case.requirements)}: {message}"
        if verdict in (Verdict.WARN, Verdict.INFO) and report.failed:
            # A SHOULD or a MAY that does not hold fails no run; a case that could not begin must not go on.
            report.outcome = "passed" if call.when == "call" else "skipped"
            if report.skipped:
                report.longrepr = (str(item.path), item.location[1] or 0, message)
    return report
