"""A server over many runs: the speed of the machine cancels, changes of level are found, and flat series have none."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from harness.league.change_points import FEWEST_RUNS, noise_of, shifts_in
from harness.league.series import ServerSeries, against_others, series_of
from harness.machines import Machine
from harness.model import CaseResult, Level, Run, Verdict
from harness.report.series import series_data, series_text, shift_sentences
from tests.simulated_runs import MACHINE, run_of, write_run
from tests.zoo import harness

LEVELS = {"ant": 4e6, "bee": 8e6, "cat": 16e6, "dog": 32e6}
SPEEDS = (1.0, 0.7, 1.3, 0.5, 1.1, 0.9, 1.6, 0.8)  # of the machine, in each run


def run(place: int, levels: Mapping[str, float], *, machine: Machine = MACHINE, **changed: object) -> Run:
    """Return a run on a machine that is as fast as SPEEDS says; the later the place, the later the run."""
    speed = SPEEDS[place % len(SPEEDS)]
    made = run_of({name: level * speed for name, level in levels.items()}, blocks=3, seed=place)
    info = msgspec.structs.replace(
        made.info,
        id=f"20261101T0000{place:02}-abcd",
        started=f"2026-11-{place + 1:02}T00:00:00+00:00",
        machine=machine,
        **changed,
    )
    return Run(info, made.cases, made.trials, made.blocks)


def only(series: Sequence[ServerSeries]) -> ServerSeries:
    (found,) = series
    return found


def test_the_speed_of_the_machine_cancels() -> None:
    series = only(series_of([run(place, LEVELS) for place in range(8)], "bee"))
    assert [point.run.id for point in series.points] == [f"20261101T0000{place:02}-abcd" for place in range(8)]
    # The median of the other three is 16e6.
    assert [point.ratios["few"] for point in series.points] == [pytest.approx(0.5, rel=0.05)] * 8
    assert [point.figures["few"] for point in series.points] == [
        pytest.approx(8e6 * speed, rel=0.05) for speed in SPEEDS
    ]
    assert series.shifts == []


def test_the_speed_cancels_also_where_runs_have_other_servers() -> None:
    """The median of those that take part jumps from 16e6 to 4e6, and nothing has changed."""
    few = {name: LEVELS[name] for name in ("ant", "bee", "cat")}
    series = only(series_of([run(place, few if place % 2 else LEVELS) for place in range(8)], "bee"))
    assert [point.ratios["score"] for point in series.points] == [pytest.approx(0.5, rel=0.05)] * 8
    assert [point.others for point in series.points] == [3, 2] * 4


def test_a_change_of_level_is_found_with_what_was_new_there() -> None:
    runs = [run(place, LEVELS, commit="abc") for place in range(4)]
    runs += [run(place, {**LEVELS, "bee": 10e6}, commit="def") for place in range(4, 8)]
    series = only(series_of(runs[::-1], "bee"))
    assert {(shift.measure, shift.place) for shift in series.shifts} == {
        (name, 4) for name in ("score", "few", "all", "single")
    }
    for shift in series.shifts:
        assert math.exp(shift.after - shift.before) == pytest.approx(1.25, rel=0.05)
    assert series.points[4].differences == {"commit": ("abc", "def")}
    (sentence,) = shift_sentences(series)
    assert sentence.startswith("From 20261101T000004-abcd on: score +2")
    assert sentence.endswith("new there: commit abc → def.")


def test_what_was_new_in_a_run_without_ratios_is_known_at_the_next_one() -> None:
    """The run between has too few other servers for ratios."""
    runs = [run(place, LEVELS, commit="abc") for place in range(4)]
    runs += [run(4, {"bee": 10e6, "ant": 4e6}, commit="def")]
    runs += [run(place, {**LEVELS, "bee": 10e6}, commit="def") for place in range(5, 8)]
    series = only(series_of(runs, "bee"))
    assert {shift.place for shift in series.shifts} == {5}
    assert series.points[5].differences == {"commit": ("abc", "def")}


def test_a_change_of_another_server_is_none_of_this_one() -> None:
    runs = [run(place, {**LEVELS, "dog": 32e6 if place < 4 else 64e6}) for place in range(8)]
    assert only(series_of(runs, "bee")).shifts == []


def test_kinds_of_machines_are_different_series() -> None:
    other = msgspec.structs.replace(MACHINE, cores=64)
    found = series_of([run(place, LEVELS, machine=other if place % 2 else MACHINE) for place in range(4)], "bee")
    assert [(series.machine, len(series.points)) for series in found] == [
        ("abacus, 2 cores", 2),
        ("abacus, 64 cores", 2),
    ]


def test_a_run_without_enough_others_has_figures_and_no_ratios() -> None:
    series = only(series_of([run(0, LEVELS), run(1, {"bee": 8e6, "ant": 4e6})], "bee"))
    assert "few" in series.points[0].ratios
    assert series.points[1].ratios == {}
    assert series.points[1].figures["few"] > 0


def test_a_server_that_failed_its_check_has_its_cases_and_no_figures() -> None:
    made = run(0, {name: level for name, level in LEVELS.items() if name != "bee"})
    server = msgspec.structs.replace(made.info.implementations[0], name="bee")
    case = CaseResult(
        implementation="bee", spec="broadcast", id="x", requirements=("X",), level=Level.MUST, verdict=Verdict.FAIL
    )
    info = msgspec.structs.replace(made.info, implementations=(*made.info.implementations, server))
    point = only(series_of([Run(info, [case], [], made.blocks)], "bee")).points[0]
    assert (point.figures, point.ratios) == ({}, {})
    assert point.checked and point.checked.total == 1 and point.checked.passed == 0


def test_flat_series_are_hardly_ever_cut() -> None:
    chance = np.random.default_rng(1)
    for runs in (FEWEST_RUNS, 16):
        others = [chance.normal(0, 0.03, (runs, 9)) for _ in range(60)]
        cut = sum(bool(shifts_in("few", *against_others(chance.normal(0, 0.03, runs), beside))) for beside in others)
        assert cut <= 2, f"{cut} of 60 series of {runs} runs"


def test_a_single_run_is_no_change_and_two_are() -> None:
    chance = np.random.default_rng(2)
    values = chance.normal(0, 0.01, 12)
    values[-1] += 0.5
    assert shifts_in("few", values, 0.01) == []
    values[-2] += 0.5
    assert [shift.place for shift in shifts_in("few", values, 0.01)] == [10]


def test_places_count_runs_that_lack_the_figure() -> None:
    values = np.array([0.0, 0.01, math.nan, 0, 0.01, math.nan, 0.5, 0.51, 0.5, 0.51])
    assert [shift.place for shift in shifts_in("few", values, math.nan)] == [6]


def test_the_noise_does_not_depend_on_changes_of_level() -> None:
    values = np.random.default_rng(3).normal(0, 0.1, 400)
    values[200:] += 5
    assert noise_of(values) == pytest.approx(0.1, rel=0.15)


def test_a_table_fits_the_terminal_and_data_has_it_all() -> None:
    runs = [run(place, {**LEVELS, "bee": 8e6 if place < 4 else 12e6}) for place in range(8)]
    found = series_of(runs, "bee")
    text = series_text(found[0], 80)
    assert max(map(len, text.splitlines())) <= 80
    assert "bee (broadcast) on abacus, 2 cores" in text
    assert "nothing that is recorded was new there" in " ".join(text.split())
    (data,) = json.loads(json.dumps(series_data(found)))
    assert {(change["measure"], change["run"]) for change in data["changes"]} >= {("few", "20261101T000004-abcd")}
    assert data["runs"][0]["figures"]["few"]["figure"] == "deliveries_per_s"


def test_the_command_reads_all_runs_and_says_which_it_cannot_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for place in range(3):
        write_run(run(place, LEVELS), f"20261{place}01T000000-0000")
    old = tmp_path / "results" / "20250101T000000-0000"
    old.mkdir()
    (old / "run.json").write_text('{"format": 1, "version": "0.0.1"}')
    ended = harness("history", "bee", folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "20261001T000000-0000" in ended.stdout
    assert "left out: 20250101T000000-0000 has format 1" in ended.stderr
    assert len(json.loads(harness("history", "bee", "--json", folder=tmp_path).stdout)[0]["runs"]) == 3
    ended = harness("history", "bea", folder=tmp_path)
    assert ended.returncode == 2
    assert 'no run in results/ has a server "bea"; did you mean bee?' in ended.stderr
