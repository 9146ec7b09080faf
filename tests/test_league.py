"""The league: its table and its findings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from harness.league.pareto import dominators
from harness.league.table import League, leagues
from harness.model import Run
from harness.report.columns import table
from harness.report.findings import change_text, findings
from tests.simulated_runs import run_of, server, trial, write_run
from tests.zoo import harness


def league_of(run: Run) -> League:
    (league,) = leagues(run)
    return league


def test_ranks_are_intervals_and_the_control_has_none() -> None:
    league = league_of(run_of({"ant": 5e6, "bee": 9e6, "cow": 5e6}, control="bee"))
    bee = league.rows[0]
    assert (bee.implementation.name, bee.rank, bee.ties) == ("bee", (1, 1), "a")
    assert {row.rank for row in league.rows[1:]} == {(2, 3)}
    assert {row.ties for row in league.rows[1:]} == {"b"}
    assert not league.invalid
    assert any("A/A control: bee was loaded twice in each block: " in line for line in findings(league))


def test_classes_are_ranked_together_and_apart() -> None:
    run = run_of({"ant": 5e6, "bee": 9e6, "cow": 2e6}, classes={"bee": "tuned"})
    rows = {row.implementation.name: row for row in league_of(run).rows}
    assert (rows["ant"].rank, rows["ant"].rank_in_category) == ((2, 2), (1, 1))
    assert (rows["bee"].rank, rows["bee"].rank_in_category) == ((1, 1), (1, 1))
    assert (rows["cow"].rank, rows["cow"].rank_in_category) == ((3, 3), (2, 2))
    assert "Ranks by class: tuned: 1 bee; idiomatic: 1 ant, 2 cow." in findings(league_of(run))


def test_a_disturbed_trial_does_not_count_and_is_mentioned() -> None:
    run = run_of({"ant": 5e6, "bee": 9e6})
    disturbed = trial("ant", 3, disturbed="noise", figures={"deliveries_per_s": 1})
    league = league_of(Run(run.info, [], [disturbed, *run.trials]))
    ant = next(row for row in league.rows if row.implementation.name == "ant")
    assert ant.deliveries_per_s and ant.deliveries_per_s.low > 4e6
    assert "1 of 17 trials (6 %) were disturbed and do not count." in findings(league)
    assert not league.invalid


def test_where_all_trials_were_disturbed_the_last_attempts_count_and_are_mentioned() -> None:
    run = run_of({"ant": 5e6, "bee": 9e6})
    disturbed = [trial("cow", 0, disturbed="noise", figures={"deliveries_per_s": rate}) for rate in (1e6, 2e6, 3e6)]
    info = msgspec.structs.replace(run.info, implementations=(*run.info.implementations, server("cow")))
    league = league_of(Run(info, [], [*run.trials, *disturbed]))
    cow = next(row for row in league.rows if row.implementation.name == "cow")
    assert cow.deliveries_per_s and cow.deliveries_per_s.median == 3e6
    assert "Disturbed in every attempt, so that these trials count nevertheless: cow (flood)." in findings(league)


def test_a_run_is_invalid_when_more_than_a_fifth_was_disturbed() -> None:
    run = run_of({"ant": 5e6, "bee": 9e6})
    disturbed = [trial("ant", block % 8, disturbed="noise") for block in range(5)]
    assert "5 of 21 trials were disturbed" in league_of(Run(run.info, [], [*disturbed, *run.trials])).invalid
    assert not league_of(Run(run.info, [], [*disturbed[:4], *run.trials])).invalid


def test_a_run_is_invalid_when_a_server_differs_from_its_own_control() -> None:
    run = run_of({"ant": 5e6, "bee": 9e6}, control="ant")
    slow = [
        msgspec.structs.replace(result, figures={"deliveries_per_s": result.figures["deliveries_per_s"] / 2})
        for result in run.trials
        if result.plan.is_control
    ]
    servers = [result for result in run.trials if not result.plan.is_control]
    league = league_of(Run(run.info, [], [*servers, *slow]))
    assert league.invalid == "ant differs significantly from its own A/A control"
    assert "This run is invalid: ant differs significantly from its own A/A control." in findings(league)


def test_too_few_blocks_rank_no_server() -> None:
    league = league_of(run_of({"ant": 1e6, "bee": 9e6}, blocks=3))
    assert [row.rank for row in league.rows] == [(1, 2), (1, 2)]
    assert "3 blocks: too few to rank any server before another; an error of 5 % needs at least 6." in findings(league)


def test_no_server_is_ranked_before_one_that_the_generator_limited() -> None:
    run = run_of({"ant": 5e6, "bee": 9e6}, more={"ant": {"generator_cpu_share": 0.99}})
    league = league_of(run)
    assert [row.rank for row in league.rows] == [(1, 2), (1, 2)]
    assert any("≥: ant was measured at the limit of the load generator" in line for line in findings(league))
    assert "≥5.0" in table(league, width=200, style="simple")


def test_the_share_of_the_baseline() -> None:
    run = run_of({"ant": 5e6})
    baseline = [
        trial("relay", block, workload="baseline", figures={"deliveries_per_s": 20e6})
        for block in range(len(run.trials))
    ]
    league = league_of(Run(run.info, [], [*run.trials, *baseline]))
    assert [row.implementation.name for row in league.rows] == ["ant"], "the relay is not ranked"
    assert "base-" in table(league, width=200, style="simple")
    assert "base-" not in table(league_of(run), width=200, style="simple")
    headings, _, row = (line.split("|") for line in table(league, width=200, style="github").splitlines())
    assert dict(zip(map(str.strip, headings), map(str.strip, row), strict=True))["baseline %"] == "25"


def test_columns_appear_when_a_trial_has_their_figures() -> None:
    shares = {"server_user_share": 0.25, "server_system_share": 0.5, "server_rss_peak_bytes": 42e6}
    with_them = table(league_of(run_of({"ant": 5e6}, more={"ant": shares})), width=300, style="github")
    without = table(league_of(run_of({"ant": 5e6})), width=300, style="github")
    for heading in ("server user", "server system", "peak MB"):
        assert heading in with_them
        assert heading not in without


@pytest.mark.parametrize("width", [80, 120])
def test_a_full_table_fits(width: int) -> None:
    figures = {
        "dropped_share": 0.1,
        "server_cpu_ns_per_delivery": 123.0,
        "server_cpu_share": 0.9,
        "generator_cpu_share": 0.5,
        "server_switches_per_delivery": 0.1,
    }
    names = [f"a_long_name_{number}" for number in range(12)]
    classes = dict.fromkeys(names[::2], "tuned")
    run = run_of(dict.fromkeys(names, 123.4e6), classes=classes, more=dict.fromkeys(names, figures))
    for line in table(league_of(run), width=width, style="simple").splitlines():
        assert len(line) <= width


def test_a_server_is_dominated_by_those_that_are_no_worse_in_anything() -> None:
    comparisons = league_of(run_of({"ant": 9e6, "bee": 5e6, "cow": 5e6})).comparisons
    # ant is faster than both; bee has the lower latency; both dominate cow
    assert dominators([(3, 1, 1), (1, 1, 1), (4, 2, 1)], comparisons.better) == [[], [], [0, 1]]
    assert dominators([(1, 1, 1), (1, 1, 1), None], comparisons.better) == [[], [0], None]
    assert dominators([None, (1, 1, 1), (1, 1, 1)], comparisons.better) == [None, [], []], (
        "equal servers do not dominate each other"
    )


def test_of_very_many_dominating_servers_some_are_named() -> None:
    league = league_of(run_of({**dict.fromkeys("abcdef", 9e6), "slow": 1e6}))
    dominating = {"slow": list("abcdef")}
    rows = [replace(row, dominated_by=dominating.get(row.implementation.name, [])) for row in league.rows]
    assert findings(replace(league, rows=rows))[-1].endswith(" Dominated: slow by a, b, c, d and 2 more.")


def test_the_text_of_a_change() -> None:
    assert change_text(0.0415, -0.011, 0.0889) == "+4.2 % [−1.1, +9.3]"
    assert change_text(1.0, float("nan"), float("nan")) == "+172 %"


def test_the_report_of_a_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(run_of({"ant": 5e6, "bee": 9e6}, control="ant", classes={"bee": "tuned"}), "some")
    output = harness("report", "--class", "tuned", folder=tmp_path).stdout
    assert any(line.split()[:2] == ["1", "bee"] for line in output.splitlines())
    assert "ant" not in output.split()
    wrong = harness("report", "--class", "turned", folder=tmp_path)
    assert wrong.returncode == 2
    assert "some has no server of the class" in wrong.stderr
