"""`harness compare`: what changed between two runs, what differs between two servers."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from harness.league import compare_runs
from harness.model import Run
from tests.simulated_runs import MACHINE, kept, run_of
from tests.zoo import harness, lines_of

LEVELS = {"ant": 5e6, "bee": 9e6, "cow": 5e6}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three runs: in "after" ant has become faster than bee, "again" is but another "before"."""
    monkeypatch.chdir(tmp_path)
    kept(run_of(LEVELS | {"ant": 20e6}, seed=2), "after", machine=msgspec.structs.replace(MACHINE, cores=64))
    kept(run_of(LEVELS, seed=3), "again")
    kept(run_of(LEVELS, seed=1), "before")
    return tmp_path


def words(run: Run, other: Run) -> dict[str, str]:
    return {one.server: one.words for one in compare_runs.of_runs(run, other)}


def test_two_runs_tell_what_changed() -> None:
    before, after = run_of(LEVELS), run_of(LEVELS | {"ant": 20e6, "dog": 1e6}, seed=2)
    assert words(before, after) == {"ant": "better", "bee": "as good as equal", "cow": "as good as equal"}
    assert words(after, before)["ant"] == "worse"
    (ant,) = [one for one in compare_runs.of_runs(before, after) if one.server == "ant"]
    assert 5e6 * 0.98 < ant.first < 5e6 * 1.02
    assert ant.blocks == 8


def test_noise_is_not_told_as_a_change() -> None:
    found = words(run_of(LEVELS, noise=0.2), run_of(LEVELS, noise=0.2, seed=2))
    assert set(found.values()) == {"cannot be told apart"}


def test_a_lower_latency_is_better() -> None:
    runs = [run_of({"ant": 5e6}, more={"ant": {"server_cpu_ns_per_delivery": cpu_ns}}) for cpu_ns in (50, 40)]
    found = {one.figure: one.words for one in compare_runs.of_runs(*runs)}
    assert found["server_cpu_ns_per_delivery"] == "better"


def test_too_few_blocks_have_no_interval() -> None:
    found = compare_runs.of_runs(run_of(LEVELS, blocks=3), run_of(LEVELS))
    assert {one.words for one in found} == {"too few blocks to tell"}
    assert {one.blocks for one in found} == {3}


def test_two_servers_of_a_run_are_compared_block_by_block() -> None:
    run = run_of(LEVELS)
    (change,) = compare_runs.of_servers(run, "ant", "bee")
    assert (change.server, change.words) == ("ant → bee", "better")
    (same,) = compare_runs.of_servers(run, "ant", "cow")
    assert same.words in ("as good as equal", "cannot be told apart")


def test_runs_contradict_each_other_where_both_tell_a_pair_apart_the_other_way_round() -> None:
    before, after = run_of(LEVELS), run_of(LEVELS | {"ant": 20e6}, seed=2)
    assert compare_runs.contradictions(before, after) == [("broadcast", "bee", "ant")]
    assert compare_runs.contradictions(after, before) == [("broadcast", "ant", "bee")]
    assert compare_runs.contradictions(before, run_of(LEVELS, seed=3)) == []
    assert compare_runs.contradictions(before, run_of(LEVELS | {"ant": 20e6}, blocks=3)) == [], (
        "three blocks tell nobody apart"
    )


def test_the_command_compares_two_runs(folder: Path) -> None:
    ended = harness("compare", "before", "after", folder=folder, columns=100)
    assert ended.returncode == 0, ended.stderr
    said = " ".join(ended.stdout.split())
    assert "ant flood deliveries M/s" in said
    assert ": better" not in said and "better" in said
    assert "Beware: the machine differs: abacus, 2 cores, 1 GiB, then abacus, 64 cores, 1 GiB." in said
    assert "Contradiction in broadcast: A ranks bee before ant, B the other way round." in said
    assert "No contradiction" in harness("compare", "before", "again", folder=folder).stdout


@pytest.mark.parametrize("columns", [80, 120])
def test_it_fits_the_terminal(folder: Path, columns: int) -> None:
    said = harness("compare", "before", "after", folder=folder, columns=columns).stdout
    assert max(map(len, said.splitlines())) <= columns


def test_the_command_compares_two_servers_of_the_latest_run_or_of_another(folder: Path) -> None:
    latest = harness("compare", "ant", "bee", folder=folder).stdout
    assert "better" in latest
    assert "worse" in harness("compare", "ant", "bee", "--run", "after", folder=folder).stdout
    assert "Contradiction" not in latest


def test_the_json_has_ratios_warnings_and_contradictions(folder: Path) -> None:
    told = json.loads(harness("compare", "before", "results/after", "--json", folder=folder).stdout)
    ant = next(one for one in told["changes"] if one["server"] == "ant")
    assert ant["ratio_low"] < 4 < ant["ratio_high"]
    assert (ant["told"], ant["words"], ant["workload"]) == (True, "better", "flood")
    assert len(told["warnings"]) == 1
    assert told["contradictions"] == [{"spec": "broadcast", "servers": ["bee", "ant"]}]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("before", "afterr"), 'there is no run "afterr"'),
        (("ant", "be"), '"be" is neither a run nor a server of before; did you mean bee?'),
        (("ant", "bee", "--run", "nothing"), 'there is no run "nothing"'),
        (("before", "after", "--spec", "channels"), "before has no server of channels"),
    ],
)
def test_wrong_usage_is_one_sentence(folder: Path, given: tuple[str, ...], sentence: str) -> None:
    ended = harness("compare", *given, folder=folder)
    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert len(lines_of(ended.stderr)) == 1
