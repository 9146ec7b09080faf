"""The league: what its table claims of the trials that were made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from harness import results
from harness.league.pareto import dominators
from harness.league.table import League, leagues
from harness.model import Run
from harness.report.columns import table
from harness.report.findings import change_text, findings
from tests.simulated_runs import kept, run_of, server, trial
from tests.zoo import harness


def league_of(run: Run) -> League:
    (found,) = leagues(run)
    return found


def test_ranks_are_intervals_and_the_ghost_has_none() -> None:
    league = league_of(run_of({"ant": 5e6, "bee": 9e6, "cow": 5e6}, ghost="bee"))
    bee = league.rows[0]
    assert (bee.implementation.name, bee.rank, bee.ties) == ("bee", (1, 1), "a")
    assert {row.rank for row in league.rows[1:]} == {(2, 3)}
    assert {row.ties for row in league.rows[1:]} == {"b"}
    assert not league.invalid
    assert any("bee was loaded twice in each block; its ghost:" in line for line in findings(league))


def test_classes_are_ranked_together_and_apart() -> None:
    run = run_of({"ant": 5e6, "bee": 9e6, "cow": 2e6}, classes={"bee": "tuned"})
    rows = {row.implementation.name: row for row in league_of(run).rows}
    assert (rows["ant"].rank, rows["ant"].rank_in_class) == ((2, 2), (1, 1))
    assert (rows["bee"].rank, rows["bee"].rank_in_class) == ((1, 1), (1, 1))
    assert (rows["cow"].rank, rows["cow"].rank_in_class) == ((3, 3), (2, 2))
    assert "By class: tuned: 1 bee; idiomatic: 1 ant, 2 cow." in findings(league_of(run))


def test_a_disturbed_trial_does_not_count_and_is_told() -> None:
    run = run_of({"ant": 5e6, "bee": 9e6})
    wild = trial("ant", 3, disturbed="noise", figures={"deliveries_per_s": 1})
    league = league_of(Run(run.info, [], [wild, *run.trials]))
    ant = next(row for row in league.rows if row.implementation.name == "ant")
    assert ant.deliveries_per_s and ant.deliveries_per_s.low > 4e6
    assert "1 of 17 trials (6 %) were disturbed, and do not count." in findings(league)
    assert not league.invalid


def test_where_all_trials_were_disturbed_the_last_attempts_count_and_that_is_told() -> None:
    run = run_of({"ant": 5e6, "bee": 9e6})
    wild = [trial("cow", 0, disturbed="noise", figures={"deliveries_per_s": rate}) for rate in (1e6, 2e6, 3e6)]
    info = msgspec.structs.replace(run.info, implementations=(*run.info.implementations, server("cow")))
    league = league_of(Run(info, [], [*run.trials, *wild]))
    cow = next(row for row in league.rows if row.implementation.name == "cow")
    assert cow.deliveries_per_s and cow.deliveries_per_s.median == 3e6
    assert "Disturbed each time, so that these trials had to count: cow (flood)." in findings(league)


def test_a_run_is_invalid_when_over_a_fifth_was_disturbed() -> None:
    run = run_of({"ant": 5e6, "bee": 9e6})
    wild = [trial("ant", block % 8, disturbed="noise") for block in range(5)]
    assert "5 of 21 trials were disturbed" in league_of(Run(run.info, [], [*wild, *run.trials])).invalid
    assert not league_of(Run(run.info, [], [*wild[:4], *run.trials])).invalid


def test_a_run_is_invalid_when_the_ghost_is_told_apart_from_its_twin() -> None:
    run = run_of({"ant": 5e6, "bee": 9e6}, ghost="ant")
    slow = [
        msgspec.structs.replace(one, figures={"deliveries_per_s": one.figures["deliveries_per_s"] / 2})
        for one in run.trials
        if one.plan.is_control
    ]
    league = league_of(Run(run.info, [], [*(one for one in run.trials if not one.plan.is_control), *slow]))
    assert league.invalid == "ant was told apart from itself"
    assert "This run is invalid: ant was told apart from itself." in findings(league)


def test_too_few_blocks_claim_nothing() -> None:
    league = league_of(run_of({"ant": 1e6, "bee": 9e6}, blocks=3))
    assert [row.rank for row in league.rows] == [(1, 2), (1, 2)]
    assert "Ranks: 3 blocks can tell nobody apart: for an error of 5 % it takes 6." in findings(league)


def test_nobody_is_ranked_before_whom_the_generator_limited() -> None:
    run = run_of({"ant": 5e6, "bee": 9e6}, more={"ant": {"generator_cpu_share": 0.99}})
    league = league_of(run)
    assert [row.rank for row in league.rows] == [(1, 2), (1, 2)]
    assert any("≥: the load generator was the limit of ant" in line for line in findings(league))
    assert "≥5.0" in table(league, width=200, style="simple")


def test_the_share_of_the_ceiling() -> None:
    run = run_of({"ant": 5e6})
    ceiling = [
        trial("null", block, workload="ceiling", figures={"deliveries_per_s": 20e6}) for block in range(len(run.trials))
    ]
    league = league_of(Run(run.info, [], [*run.trials, *ceiling]))
    assert [row.implementation.name for row in league.rows] == ["ant"], "the null server is not ranked"
    assert "null" in table(league, width=200, style="simple")
    assert "null" not in table(league_of(run), width=200, style="simple")
    headings, _, row = (line.split("|") for line in table(league, width=200, style="github").splitlines())
    assert dict(zip(map(str.strip, headings), map(str.strip, row), strict=True))["of null %"] == "25"


def test_columns_appear_when_a_trial_tells_them() -> None:
    shares = {"server_user_share": 0.25, "server_system_share": 0.5, "rss_peak_bytes": 42e6}
    with_them = table(league_of(run_of({"ant": 5e6}, more={"ant": shares})), width=300, style="github")
    without = table(league_of(run_of({"ant": 5e6})), width=300, style="github")
    for heading in ("of it user", "of it system", "peak MB"):
        assert heading in with_them
        assert heading not in without


@pytest.mark.parametrize("width", [80, 120])
def test_a_full_table_fits(width: int) -> None:
    figures = {
        "dropped_share": 0.1,
        "server_cpu_ns_per_delivery": 123.0,
        "server_cpu_share": 0.9,
        "generator_cpu_share": 0.5,
        "context_switches_per_delivery": 0.1,
    }
    names = [f"a_long_name_{number}" for number in range(12)]
    classes = dict.fromkeys(names[::2], "tuned")
    run = run_of(dict.fromkeys(names, 123.4e6), classes=classes, more=dict.fromkeys(names, figures))
    for line in table(league_of(run), width=width, style="simple").splitlines():
        assert len(line) <= width


def test_who_is_beaten_in_everything() -> None:
    stand = league_of(run_of({"ant": 9e6, "bee": 5e6, "cow": 5e6})).comparisons
    #                    ant is faster than both; bee has the lower latency, cow is beaten by both
    assert dominators([(3, 1, 1), (1, 1, 1), (4, 2, 1)], stand.better) == [[], [], [0, 1]]
    assert dominators([(1, 1, 1), (1, 1, 1), None], stand.better) == [[], [0], None]
    assert dominators([None, (1, 1, 1), (1, 1, 1)], stand.better) == [None, [], []], "equal in all, nobody is beaten"


def test_of_very_many_who_beat_somebody_some_are_named() -> None:
    league = league_of(run_of({**dict.fromkeys("abcdef", 9e6), "slow": 1e6}))
    beaten = {"slow": list("abcdef")}
    rows = [replace(row, dominated_by=beaten.get(row.implementation.name, [])) for row in league.rows]
    assert findings(replace(league, rows=rows))[-1].endswith(" Beaten: slow by a, b, c, d and 2 more.")


def test_a_change_in_words() -> None:
    assert change_text(0.0415, -0.011, 0.0889) == "+4.2 % [−1.1, +9.3]"
    assert change_text(1.0, float("nan"), float("nan")) == "+172 %"


def test_the_report_of_a_class_and_of_an_older_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = kept(run_of({"ant": 5e6, "bee": 9e6}, ghost="ant", classes={"bee": "tuned"}), "some")
    said = harness("report", "--class", "tuned", folder=tmp_path).stdout
    assert any(line.split()[:2] == ["1", "bee"] for line in said.splitlines())
    assert "ant" not in said.split()
    wrong = harness("report", "--class", "turned", folder=tmp_path)
    assert wrong.returncode == 2
    assert "some has no server of the class" in wrong.stderr
    older = msgspec.json.decode((path / results.INFO).read_bytes())
    del older["reference"]
    (path / results.INFO).write_bytes(msgspec.json.encode(older))
    lines = [msgspec.json.decode(line) for line in (path / results.TRIALS).read_bytes().splitlines()]
    for line in lines:
        line.pop("disturbed", None)
        for name in ("ghost", "probe"):
            line["plan"].pop(name, None)
    (path / results.TRIALS).write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines[:4]))
    assert "bee" in harness("report", folder=tmp_path).stdout
