"""The league: its table and its findings."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from harness.blocks import BlockResult, Entry, Role, SliceResult
from harness.league.baseline_relay import NAME
from harness.league.pareto import dominators
from harness.league.report_card import League, leagues
from harness.model import Run
from harness.report.columns import table
from harness.report.findings import change_text, findings
from tests.simulated_runs import run_of, write_run
from tests.zoo import harness


def league_of(run: Run) -> League:
    (league,) = leagues(run)
    return league


def test_ranks_are_intervals_and_the_control_has_none() -> None:
    league = league_of(run_of({"ant": 5e6, "bee": 9e6, "cow": 5e6}, control="bee"))
    bee = league.rows[0]
    assert (bee.implementation.name, bee.rank) == ("bee", (1, 1))
    assert {row.rank for row in league.rows[1:]} == {(2, 3)}
    assert not league.invalid
    assert any(line.startswith("A/A controls, the same server twice in each block") for line in findings(league))


def test_a_row_has_a_tier_in_each_measure() -> None:
    fast = {"paced": {"server_cpu_ns_per_delivery": 50.0}, "idle": {"rss_idle_bytes": 9e6}}
    slow = {"paced": {"server_cpu_ns_per_delivery": 40.0}, "idle": {"rss_idle_bytes": 9e6}}
    league = league_of(run_of({"ant": 5e6, "bee": 9e6}, more={"bee": fast, "ant": slow}))
    tiers = {row.implementation.name: {name: each.tier for name, each in row.standings.items()} for row in league.rows}
    assert tiers["bee"] == {"few": "A", "all": "A", "single": "A", "p99": "", "cpu": "B", "memory": "A"}
    assert tiers["ant"] == {"few": "B", "all": "B", "single": "B", "p99": "", "cpu": "A", "memory": "A"}


def test_the_score_is_the_geometric_mean_of_the_ratios_to_the_best() -> None:
    """ant is the best with few senders, bee when all send and with one in flight."""
    run = run_of({"ant": 4e6, "bee": 4e6}, noise=1e-6)
    blocks = [
        msgspec.structs.replace(block, slices=tuple(doubled(result, block) for result in block.slices))
        for block in run.blocks
    ]
    bee, ant = league_of(Run(run.info, cases=[], blocks=blocks)).rows
    assert bee.score and ant.score
    assert bee.score.value == pytest.approx(0.5 ** (1 / 3), rel=1e-4)
    assert ant.score.value == pytest.approx(0.25 ** (1 / 3), rel=1e-4)
    assert ant.score.low <= ant.score.value <= ant.score.high


def doubled(result: SliceResult, block: BlockResult) -> SliceResult:
    is_best = (block.entries[result.entry].name == "ant") == (result.kind == "few")
    rate = result.figures["deliveries_per_s"] * (2 if is_best else 1)
    return msgspec.structs.replace(result, figures={"deliveries_per_s": rate})


def test_another_measure_or_a_mixture_can_order_the_league() -> None:
    more = {name: {"idle": {"rss_idle_bytes": size}} for name, size in (("ant", 1e6), ("bee", 9e6))}
    run = run_of({"ant": 5e6, "bee": 9e6}, more=more)

    def first(league: League) -> str:
        return league.rows[0].implementation.name

    assert first(league_of(run)) == "bee"
    (by_memory,) = leagues(run, "memory")
    assert first(by_memory) == "ant"
    assert "Ordered by the score, the ratio to the best in memory (idle clients)." in findings(by_memory)[0]
    (mixed,) = leagues(run, weights={"few": 1, "memory": 2})
    assert first(mixed) == "ant"
    assert "1 × deliveries (few senders) and 2 × memory (idle clients)" in findings(mixed)[0]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--by", "memry"), 'there is no measure "memry"; did you mean memory?'),
        (("--weight", "p98=1"), 'there is no measure "p98"; did you mean p99?'),
        (("--weight", "p99=0"), "is not MEASURE=N"),
        (("--by", "p99", "--weight", "cpu=1"), "--by and --weight exclude each other"),
    ],
)
def test_a_wrong_order_is_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(run_of({"ant": 5e6}), "some")
    ended = harness("report", *words, folder=tmp_path)
    assert ended.returncode == 2
    assert sentence in ended.stderr


def test_classes_are_ranked_together_and_apart() -> None:
    run = run_of({"ant": 5e6, "bee": 9e6, "cow": 2e6}, classes={"bee": "tuned"})
    rows = {row.implementation.name: row for row in league_of(run).rows}
    assert (rows["ant"].rank, rows["ant"].rank_in_category) == ((2, 2), (1, 1))
    assert (rows["bee"].rank, rows["bee"].rank_in_category) == ((1, 1), (1, 1))
    assert (rows["cow"].rank, rows["cow"].rank_in_category) == ((3, 3), (2, 2))
    assert "| tuned 1 " in table(league_of(run), width=300, style="github")


def test_a_server_that_failed_in_a_block_is_not_ranked() -> None:
    run = run_of({"ant": 5e6, "bee": 9e6})
    blocks = [msgspec.structs.replace(run.blocks[0], failed={"1": "disagreement: ..."}), *run.blocks[1:]]
    ant, bee = league_of(Run(run.info, cases=[], blocks=blocks)).rows
    assert (ant.implementation.name, ant.rank) == ("ant", (1, 1))
    assert (bee.position, bee.note) == (None, "did not finish: disagreement: ...")


def test_disturbed_slices_are_mentioned() -> None:
    league = league_of(run_of({"ant": 5e6, "bee": 9e6}, more={"ant": {"few": {"generator_wait_share": 0.5}}}))
    assert any("17 % of the slices were disturbed, and do not count." in line for line in findings(league))


def test_a_run_is_invalid_when_a_server_differs_from_its_own_control() -> None:
    run = run_of({"ant": 5e6, "bee": 9e6, "ant again": 2e6})
    entries = (Entry("ant"), Entry("bee"), Entry("ant", Role.CONTROL))
    blocks = [msgspec.structs.replace(block, entries=entries) for block in run.blocks]
    info = msgspec.structs.replace(run.info, implementations=run.info.implementations[:2])
    league = league_of(Run(info, cases=[], blocks=blocks))
    assert league.invalid == "ant differs significantly from its own A/A control"
    assert "This run is invalid: ant differs significantly from its own A/A control." in findings(league)


def test_too_few_blocks_rank_no_server() -> None:
    league = league_of(run_of({"ant": 1e6, "bee": 9e6}, blocks=3))
    assert [row.rank for row in league.rows] == [(1, 2), (1, 2)]
    sentence = "3 blocks: too few to rank any server before another; an error of 5 % needs at least 6."
    assert any(line.startswith(sentence) for line in findings(league))


def test_a_server_that_the_load_limited_counts_by_its_processor_time() -> None:
    """ant makes half as many deliveries as bee, with a quarter of the processor time for each."""
    more = {
        "ant": {"few": {"generator_cpu_share": 0.99, "server_cpu_share": 0.5, "server_cpu_ns_per_delivery": 50.0}},
        "bee": {"few": {"generator_cpu_share": 0.5, "server_cpu_share": 1.0, "server_cpu_ns_per_delivery": 100.0}},
    }
    run = run_of({"ant": 9e6, "bee": 10e6}, noise=1e-6, more=more)
    (league,) = leagues(run, "few")
    ant, bee = league.rows
    assert (ant.implementation.name, ant.rank, ant.standings["few"].is_limited) == ("ant", (1, 1), True)
    assert (bee.rank, bee.standings["few"].is_limited) == ((2, 2), False)
    assert "9.00*" in table(league, width=300, style="simple")
    assert any(line.startswith("*: the load was the limit of ant, which count") for line in findings(league))


def test_the_share_of_the_baseline() -> None:
    run = run_of({"ant": 5e6, "relay": 20e6}, noise=1e-6)
    entries = (Entry("ant"), Entry(NAME, Role.BASELINE))
    info = msgspec.structs.replace(run.info, implementations=run.info.implementations[:1])
    league = league_of(
        Run(info, cases=[], blocks=[msgspec.structs.replace(block, entries=entries) for block in run.blocks])
    )
    assert [row.implementation.name for row in league.rows] == ["ant"], "the relay is not ranked"
    headings, _, row = (line.split("|") for line in table(league, width=300, style="github").splitlines())
    assert dict(zip(map(str.strip, headings), map(str.strip, row), strict=True))["baseline %"] == "25"
    assert "baseline" not in table(league_of(run_of({"ant": 5e6})), width=300, style="github")


def test_columns_appear_when_a_slice_has_their_figures() -> None:
    with_them = table(
        league_of(run_of({"ant": 5e6}, more={"ant": {"few": {"server_cpu_share": 0.25}}})), width=300, style="github"
    )
    assert "server cpu" in with_them
    assert "server cpu" not in table(league_of(run_of({"ant": 5e6})), width=300, style="github")


def test_at_most_six_sentences_stand_under_the_table() -> None:
    limited = {"few": {"generator_cpu_share": 0.99, "server_cpu_share": 0.5, "server_cpu_ns_per_delivery": 50.0}}
    league = league_of(run_of({"ant": 5e6, "bee": 9e6}, control="ant", more={"ant": limited}))
    assert 3 <= len(findings(league)) <= 6


@pytest.mark.parametrize("width", [80, 120])
def test_a_full_table_fits(width: int) -> None:
    figures = {
        "paced": {"server_cpu_ns_per_delivery": 12345.0},
        "few": {"server_cpu_share": 0.9, "generator_cpu_share": 0.5},
        "idle": {"rss_idle_bytes": 123.4e6},
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
