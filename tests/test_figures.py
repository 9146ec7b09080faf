"""The registry of figures: each figure is written by some workload, and read by some table or marked as raw data."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping

import anyio
import numpy as np
import pytest

from harness import figures, plugins
from harness.blocks import BlockResult, Entry, SlicePlan
from harness.errors import UsageError
from harness.figures import BUILT_IN, COUNT, EVERY_TRIAL, FLAT_OUT, Better, Figure, Figures, Unit, UnknownFigureError
from harness.kinds import Workload
from harness.league.block import Block
from harness.league.measures import MEASURES
from harness.league.messages import BlockRequest
from harness.league.report_card import leagues
from harness.league.rows import figures_of
from harness.league.trial import Cores
from harness.load.messages import LoadAnswer, LoadRequest
from harness.load.resident import KINDS
from harness.model import Run, TrialPlan, TrialResult
from harness.processes.workers import PYTHON
from harness.records import from_json, to_json
from harness.report import curves
from harness.report.columns import COLUMNS
from harness.report.numbers import heading
from harness.report.other_workloads import other_workloads
from harness.servers.launch import launch
from harness.servers.process import Server
from tests.simulated_runs import run_of, trial
from tests.test_workloads import SERVER, WORKLOADS, load, smallest

SPEC = "channels"  # suits every workload: it has topics
# A trial has these only where the load has several processes, or where idle clients take memory at all.
NOT_IN_EVERY_TRIAL = {"generator_processes", "connections_per_gb"}
# Only slices have these.
PER_SLICE = {"generator_wait_share", "sent", "missing"}
PER_TRIAL = {figure.name for figure in EVERY_TRIAL}


@pytest.fixture(scope="module")
def written() -> dict[str, set[str]]:
    """By workload, the names of the figures that a trial of it writes, and the outcome of a search."""
    return anyio.run(run_all_workloads)


async def run_all_workloads() -> dict[str, set[str]]:
    server = next(each for each in plugins.implementations() if (each.spec, each.name) == (SPEC, SERVER))
    names: dict[str, set[str]] = {}
    async with launch(server) as running:
        for name, workload in WORKLOADS.items():
            values = await anyio.to_thread.run_sync(load, workload, SPEC, running)
            names[name] = {*values, *outcome(workload, values)}
        names["several processes"] = set(await anyio.to_thread.run_sync(load_by_two_processes, running))
    return names


@pytest.fixture(scope="module")
def block() -> BlockResult:
    """The result of a short block of one server, with a slice of each kind."""
    server = next(each for each in plugins.implementations() if (each.spec, each.name) == (SPEC, SERVER))
    request = BlockRequest(
        number=0,
        spec=SPEC,
        entries=(Entry(SERVER),),
        implementations=(server,),
        plan=tuple(SlicePlan(kind, 0.2) for kind in KINDS),
        rounds=1,
        clients=12,
        idle_clients=24,
    )
    return anyio.run(Block(request, Cores()).run)


def outcome(workload: Workload, values: dict[str, float]) -> dict[str, float]:
    """Return the figures of a search of which one step held and those at a higher rate did not."""
    if not workload.search:
        return {}
    parameters = smallest(workload)
    steps = []
    for probe, (rate, latency_ns) in enumerate([(300, 1e6), (400, 1e12), (400, 1e12)]):
        plan = TrialPlan(
            block=0,
            implementation=SERVER,
            spec=SPEC,
            workload=workload.name,
            parameters={**parameters, "rate_per_s": rate},
            probe=probe,
        )
        step = {**values, "latency_p99_ns": latency_ns, "dropped_share": 0, "sent_share": 1}
        steps.append(TrialResult(plan=plan, started="", seconds=0, figures=step))
    return workload.search.outcome(steps)


def load_by_two_processes(server: Server) -> dict[str, float]:
    """Return the figures of a trial as the league makes it, whose load has two processes."""
    request = LoadRequest(
        address=str(server.address),
        server_pid=server.pid,
        spec=SPEC,
        workload="flood",
        parameters=smallest(WORKLOADS["flood"]),
        processes=2,
    )
    ended = subprocess.run([*PYTHON, "harness.load"], input=to_json(request), stdout=subprocess.PIPE, check=True)
    answer = from_json(ended.stdout, LoadAnswer)
    assert not answer.violation
    return answer.figures


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_writes_exactly_the_figures_that_it_declares(written: Mapping[str, set[str]], name: str) -> None:
    declared = {figure.name for figure in WORKLOADS[name].figures}
    assert written[name] - PER_TRIAL - NOT_IN_EVERY_TRIAL == declared - NOT_IN_EVERY_TRIAL


def test_slices_write_only_figures_of_the_registry(block: BlockResult) -> None:
    assert {result.kind for result in block.slices} == {*KINDS, "idle"}
    assert names_of(block) >= PER_SLICE
    assert names_of(block) <= set(BUILT_IN)


def names_of(block: BlockResult) -> set[str]:
    assert not block.failed
    return {name for result in block.slices for name in result.figures}


def test_every_figure_is_written_by_some_workload_or_slice(written: Mapping[str, set[str]], block: BlockResult) -> None:
    from harness.load.workloads.idle import memory

    names = set.union(*written.values(), memory(10**6, 2 * 10**6, 10), names_of(block))
    assert names == set(BUILT_IN)


def test_every_measure_has_a_score_from_the_slices_of_its_kind(block: BlockResult) -> None:
    for measure in MEASURES.values():
        assert not np.isnan(measure.scores([block], [Entry(SERVER)], frozenset())).any(), measure.name


def test_every_figure_is_read_by_some_table_or_curve_or_is_raw_data() -> None:
    read = {name for column in COLUMNS for name in column.figures}
    read |= {name for workload in plugins.workloads().values() for name in workload.reported}
    read |= {measure.figure.name for measure in MEASURES.values()} | set(curves.READ)
    raw = {name for name, figure in BUILT_IN.items() if figure.is_raw}
    assert read | raw == set(BUILT_IN)
    assert not read & raw


def test_every_figure_of_a_column_is_written_by_a_slice(block: BlockResult) -> None:
    """Tables take these from the figures of a row, which have the percentiles of its histograms as well."""
    known = {name for _, name in figures_of([block], Entry(SERVER))}
    assert known >= {name for column in COLUMNS for name in column.figures}


def test_an_unknown_name_is_an_error_when_it_is_written() -> None:
    values = Figures(FLAT_OUT)
    values |= {"deliveries_per_s": 1.0, "server_rss_peak_bytes": 2.0}
    with pytest.raises(UnknownFigureError, match='the workload\'s `figures` has no figure "latency_p99_ns"'):
        values["latency_p99_ns"] = 1
    with pytest.raises(UnknownFigureError, match=r'harness/figures\.py has no figure "delivery_per_s"'):
        Figures().update({"delivery_per_s": 1})
    writes: list[Callable[[], object]] = [lambda: values.__ior__({"x": 1}), lambda: values.setdefault("x", 1)]
    for write in writes:
        with pytest.raises(UnknownFigureError):
            write()
    assert dict(values) == {"deliveries_per_s": 1, "server_rss_peak_bytes": 2}


def test_two_figures_of_one_name_are_an_error() -> None:
    figure = BUILT_IN["clients"]
    assert figures.registry([figure], [figure]) == {"clients": figure}
    with pytest.raises(ValueError, match='two figures are called "clients"'):
        figures.registry([figure], [Figure("clients", "other", COUNT, Better.MORE, "something else")])


def test_headings_are_narrow_and_have_the_unit() -> None:
    def of(label: str, unit: Unit) -> str:
        return heading(Figure("x", label, unit, Better.MORE, ""))

    assert of("peak", figures.MEGABYTES) == "peak\nMB"
    assert of("server cpu", figures.PERCENT) == "server\ncpu", "the cells have the sign"
    assert of("send lag p99", figures.MILLISECONDS) == "send\nlag\np99 ms"
    assert of("switches per 1000 deliveries", figures.THOUSANDTHS) == "switches\nper 1000\ndeliveries"


# --- a workload of a plugin


class Replies(Workload):
    """A workload with a figure of its own."""

    name, summary = "replies", "counts replies"
    profiles: Mapping[str, dict[str, float]] = {}

    def __init__(self, figure: Figure, reported: tuple[str, ...]) -> None:
        self.figures, self.reported = (figure,), reported

    def run(self, swarm: object, parameters: object) -> None:
        """Do nothing."""


@pytest.fixture
def with_workload(request: pytest.FixtureRequest) -> Iterator[None]:
    class Plugin:
        @plugins.hookimpl
        def harness_workloads(self) -> list[Workload]:
            return [request.param]

    plugin = Plugin()
    plugins.workloads()  # the built-in plugins are registered first
    plugins.manager().register(plugin)
    yield
    plugins.manager().unregister(plugin)


REPLY_NS = Figure("reply_ns", "first reply", figures.MILLISECONDS, Better.LESS, "time to the first reply")


@pytest.mark.parametrize("with_workload", [Replies(REPLY_NS, ("reply_ns",))], indirect=True)
@pytest.mark.usefixtures("with_workload")
def test_a_workload_of_a_plugin_has_figures_of_its_own_in_the_tables() -> None:
    run = run_of({"ant": 5e6})
    trials = [*run.trials, trial("ant", workload="replies", figures={"reply_ns": 4.2e6})]
    (league,) = leagues(Run(run.info, [], trials, run.blocks))
    assert "| replies first reply ms |" in other_workloads(league, width=100, style="github")
    assert "4.20 |" in other_workloads(league, width=100, style="github")


@pytest.mark.parametrize(
    ("with_workload", "sentence"),
    [
        (
            Replies(Figure("clients", "x", COUNT, Better.MORE, "x"), ()),
            'the workload replies declares another figure called "clients"',
        ),
        (Replies(REPLY_NS, ("replies",)), 'the workload replies reports "replies", which is none of its figures'),
    ],
    indirect=["with_workload"],
)
@pytest.mark.usefixtures("with_workload")
def test_a_wrong_declaration_is_an_error(sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        plugins.figures()
