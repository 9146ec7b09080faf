"""`harness compare`: changes between two runs, differences between two servers."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from harness.league import compare_runs
from harness.model import Run
from tests.simulated_runs import MACHINE, run_of, write_run
from tests.zoo import harness, lines_of

LEVELS = {"ant": 5e6, "bee": 9e6, "cow": 5e6}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three runs: in "after" ant has become faster than bee; "again" repeats "before"."""
    monkeypatch.chdir(tmp_path)
    write_run(run_of(LEVELS | {"ant": 20e6}, seed=2), "after", machine=msgspec.structs.replace(MACHINE, cores=64))
    write_run(run_of(LEVELS, seed=3), "again")
    write_run(run_of(LEVELS, seed=1), "before")
    return tmp_path


WORKLOAD = "few senders"


def words(run: Run, other: Run) -> dict[str, str]:
    return {change.server: change.words for change in compare_runs.of_runs(run, other) if change.workload == WORKLOAD}


def test_two_runs_show_what_changed() -> None:
    before, after = run_of(LEVELS), run_of(LEVELS | {"ant": 20e6, "dog": 1e6}, seed=2)
    assert words(before, after) == {"ant": "better", "bee": "equivalent", "cow": "equivalent"}
    assert words(after, before)["ant"] == "worse"
    ant = next(change for change in compare_runs.of_runs(before, after) if change.server == "ant")
    assert 5e6 * 0.98 < ant.first < 5e6 * 1.02
    assert ant.blocks == 8


def test_noise_is_no_significant_difference() -> None:
    found = words(run_of(LEVELS, noise=0.2), run_of(LEVELS, noise=0.2, seed=2))
    assert set(found.values()) == {"no significant difference"}


def test_a_lower_latency_is_better() -> None:
    runs = [
        run_of({"ant": 5e6}, more={"ant": {"paced": {"server_cpu_ns_per_delivery": cpu_ns}}}) for cpu_ns in (50, 40)
    ]
    words = {change.figure.name: change.words for change in compare_runs.of_runs(*runs)}
    assert words["server_cpu_ns_per_delivery"] == "better"


def test_too_few_blocks_have_no_interval() -> None:
    found = compare_runs.of_runs(run_of(LEVELS, blocks=3), run_of(LEVELS))
    assert {change.words for change in found} == {"too few blocks"}
    assert {change.blocks for change in found} == {3}


def test_two_servers_of_a_run_are_compared_block_by_block() -> None:
    run = run_of(LEVELS)
    changes = compare_runs.of_servers(run, "ant", "bee")
    assert {(change.server, change.words) for change in changes} == {("ant → bee", "better")}
    assert len(changes) == 3
    for same in compare_runs.of_servers(run, "ant", "cow"):
        assert same.words in ("equivalent", "no significant difference")


def test_runs_contradict_each_other_where_they_rank_a_pair_in_opposite_orders() -> None:
    before, after = run_of(LEVELS), run_of(LEVELS | {"ant": 20e6}, seed=2)
    assert compare_runs.contradictions(before, after) == [("broadcast", "bee", "ant")]
    assert compare_runs.contradictions(after, before) == [("broadcast", "ant", "bee")]
    assert compare_runs.contradictions(before, run_of(LEVELS, seed=3)) == []
    assert compare_runs.contradictions(before, run_of(LEVELS | {"ant": 20e6}, blocks=3)) == [], (
        "three blocks distinguish no servers"
    )


def test_the_command_compares_two_runs(folder: Path) -> None:
    ended = harness("compare", "before", "after", folder=folder, columns=100)
    assert ended.returncode == 0, ended.stderr
    output = " ".join(ended.stdout.split())
    assert "ant few senders deliveries M/s" in output
    assert ": better" not in output and "better" in output
    assert "Warning: the machine differs: abacus, 2 cores, 1 GiB, then abacus, 64 cores, 1 GiB." in output
    assert "Contradiction in broadcast: A ranks bee before ant, B the other way round." in output
    assert "No contradiction" in harness("compare", "before", "again", folder=folder).stdout


@pytest.mark.parametrize("columns", [80, 120])
def test_it_fits_the_terminal(folder: Path, columns: int) -> None:
    output = harness("compare", "before", "after", folder=folder, columns=columns).stdout
    assert max(map(len, output.splitlines())) <= columns


def test_the_command_compares_two_servers_of_the_latest_run_or_of_another(folder: Path) -> None:
    latest = harness("compare", "ant", "bee", folder=folder).stdout
    assert "better" in latest
    assert "worse" in harness("compare", "ant", "bee", "--run", "after", folder=folder).stdout
    assert "Contradiction" not in latest


def test_the_json_has_ratios_warnings_and_contradictions(folder: Path) -> None:
    data = json.loads(harness("compare", "before", "results/after", "--json", folder=folder).stdout)
    ant = next(change for change in data["changes"] if change["server"] == "ant")
    assert ant["ratio_low"] < 4 < ant["ratio_high"]
    assert (ant["significant"], ant["words"], ant["workload"]) == (True, "better", WORKLOAD)
    assert (ant["figure"], ant["label"], ant["better"]) == ("deliveries_per_s", "deliveries", "more")
    assert len(data["warnings"]) == 1
    assert data["contradictions"] == [{"spec": "broadcast", "servers": ["bee", "ant"]}]


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
