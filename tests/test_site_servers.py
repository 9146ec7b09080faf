"""The pages of servers and of the method: what they say about a run, and about earlier ones."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import pytest

from harness import plugins, results
from harness.blocks import Entry, Role
from harness.league.report_card import leagues
from harness.model import Run
from harness.report.findings import findings
from harness.requirements import text as requirements
from harness.site.data import site_of
from harness.site.earlier_runs import histories
from harness.site.pages import method
from harness.site.pages.servers import policy_of
from harness.site.write import write_site
from tests.sample_runs import write_as_latest
from tests.simulated_runs import run_of, write_run
from tests.site_pages import declared, parse, passed_case, run_with
from tests.zoo import command

README = """# A server

## How a connection lives

A thread.

## A slow client

It misses messages while it does not read.

## channels

- **A slow subscriber** waits.
- **The order** is that of the lock.
"""
LEVELS = {"asyncio": 4e6, "go": 1e6, "threads": 2e6}


def asyncio_and_others(blocks: int = 8) -> Run:
    return run_with(*declared("asyncio", "go", "threads"), blocks=blocks)


def words_of(file: Path) -> str:
    return " ".join(parse(file).text.split())


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("channels", "- **A slow subscriber** waits."),
        ("broadcast", "It misses messages while it does not read."),
        ("groupchat", "It misses messages while it does not read."),
    ],
)
def test_what_a_readme_says_about_slow_clients_is_that_of_the_spec(spec: str, words: str) -> None:
    assert policy_of(README, spec) == words
    assert policy_of("# Nothing\n", spec) == ""


def test_the_page_of_a_server_has_all_that_is_known_about_it(tmp_path: Path) -> None:
    write_site(asyncio_and_others(), tmp_path)
    page = parse(tmp_path / "servers/broadcast/asyncio.html")
    text = " ".join(page.text.split())
    for part in (
        "asyncio streams, one write per two turns of the loop",
        "Rank 3 of 3",  # each is twice as fast as the one before
        "deliveries, few senders",
        "What happens to a slow client Not observed in this run",
        "Its unsent bytes are in its transport's buffer",
        "asyncio: async/await on asyncio's streams",
        "impls/asyncio_impl/broadcast.py",
        "def ",
    ):
        assert part in text
    assert "L-1" in page.ids
    beside = page.text.partition("Read it beside")[2].partition("History")[0]
    assert "threads" in beside and "go" in beside


def test_the_figures_of_a_server_stand_beside_those_of_its_tier_and_the_best(tmp_path: Path) -> None:
    write_site(asyncio_and_others(), tmp_path)
    text = words_of(tmp_path / "servers/broadcast/asyncio.html")
    assert "deliveries, few senders 1.00 M/s C" in text  # the third of three tiers, with itself alone
    assert "(1) 4.0" in text.split("deliveries, few senders")[1].split("deliveries, all send")[0]


def test_with_few_blocks_there_are_no_ranks(tmp_path: Path) -> None:
    write_site(asyncio_and_others(blocks=2), tmp_path)
    assert "Rank" not in words_of(tmp_path / "servers/broadcast/asyncio.html").split("Figures")[0]
    assert "2 blocks: too few to rank any server" in words_of(tmp_path / "method.html")


def test_one_server_alone_has_enough_blocks(tmp_path: Path) -> None:
    run = run_of({"asyncio": 4e6})
    (league,) = leagues(run)
    assert "8 blocks of one server, which has no other to be compared with" in " ".join(findings(league))
    write_site(run, tmp_path)
    for name in ("index", "method"):
        assert "too few" not in words_of(tmp_path / f"{name}.html")
    assert "One server is ranked" in words_of(tmp_path / "method.html")


def test_every_page_says_that_a_run_is_invalid(tmp_path: Path) -> None:
    run = asyncio_and_others()
    for block in run.blocks:  # the control becomes much slower than its server
        for result in block.slices:
            if block.entries[result.entry].role is Role.CONTROL and "deliveries_per_s" in result.figures:
                result.figures["deliveries_per_s"] /= 2
    write_site(run, tmp_path)
    for name in ("index", "plots", "servers/broadcast/go", "diff/broadcast/asyncio--go", "choose", "method"):
        assert "broadcast: this run is invalid, because go differs" in words_of(tmp_path / f"{name}.html")


def test_a_run_of_several_machines_names_them_and_shows_each_kind_apart(tmp_path: Path) -> None:
    run = asyncio_and_others(blocks=16)
    machines = {"red": run.info.machine, "blue": msgspec.structs.replace(run.info.machine, processor="abacus")}
    blocks = [msgspec.structs.replace(block, machine="red" if block.number % 2 else "blue") for block in run.blocks]
    info = msgspec.structs.replace(run.info, machines=machines, sandbox=True)
    write_site(Run(info, [], blocks=blocks), tmp_path)
    text = {name: words_of(tmp_path / f"{name}.html") for name in ("index", "method")}
    assert "on a cluster of 2 machines" in text["index"]
    for name, machine in machines.items():
        assert f"Only on {name} ({machine.kind}) # server score %" in text["index"]
        assert f"{name} {machine.kind}" in text["method"]
    assert "Sandbox" in text["method"]
    assert "one machine" not in text["method"] and "The servers had the first core" not in text["method"]


def test_the_history_of_a_server_leaves_the_speed_of_the_machine_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run is ten times as fast, and the third is of another format."""
    monkeypatch.chdir(tmp_path)
    run = run_of(LEVELS, noise=0)
    faster = run_of({name: 10 * level for name, level in LEVELS.items()}, noise=0)
    path = write_run(run, "20260103", started="2026-01-03T00:00:00+00:00")
    write_run(faster, "20260102", started="2026-01-02T00:00:00+00:00")
    (write_run(run, "20260101") / "run.json").write_text('{"format": 1}')
    shown = Run(msgspec.structs.replace(run.info, id="20260103", started="2026-01-03"), [], blocks=run.blocks)
    (series,) = histories(site_of(shown, path))["broadcast", "asyncio"]
    assert [point.run.id for point in series.points] == ["20260102", "20260103"]
    for point in series.points:
        assert len({round(ratio, 6) for ratio in point.ratios.values()}) == 1
        assert point.ratios["few"] == pytest.approx(series.points[0].ratios["few"])
        assert point.ratios["few"] > 1
        assert point.checked is None
    write_site(shown, tmp_path / "site", path)
    text = words_of(tmp_path / "site/servers/broadcast/asyncio.html").partition("History")[2]
    assert text.index("2026-01-03 (this run)") < text.index("2026-01-02 00:00")


def test_a_change_of_level_is_named_with_what_was_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    slower = {**LEVELS, "asyncio": 1.5e6}
    others = {"bun": 3e6, "d": 5e6, "lua": 6e6}
    for day in range(10):
        run = run_of({**(LEVELS if day < 5 else slower), **others}, seed=day)
        started = f"2026-01-{day + 1:02}T00:00:00+00:00"
        path = write_run(run, f"2026010{day}", started=started, commit="old" if day < 5 else "new")
    write_site(results.read(path), tmp_path / "site", path)
    text = words_of(tmp_path / "site/servers/broadcast/asyncio.html")
    assert "From 20260105 on: score −" in text
    assert "commit old → new" in text
    assert "From 2026" not in words_of(tmp_path / "site/servers/broadcast/go.html")


def test_a_run_that_is_not_on_disk_has_only_itself_as_its_history() -> None:
    run = run_of(LEVELS, noise=0)
    cases = [passed_case("asyncio", next(iter(requirements.of(plugins.specs()["broadcast"]).values())))]
    (series,) = histories(site_of(Run(run.info, cases, blocks=run.blocks)))["broadcast", "asyncio"]
    (point,) = series.points
    assert point.checked is not None and point.checked.passed == 1


def test_a_server_leads_to_its_cases_and_to_comparisons(tmp_path: Path) -> None:
    run = asyncio_and_others()
    cases = [passed_case("asyncio", next(iter(requirements.of(plugins.specs()["broadcast"]).values())))]
    write_site(Run(run.info, cases, blocks=run.blocks), tmp_path)
    links = {each.get("href") for each in parse(tmp_path / "servers/broadcast/asyncio.html").all("a")}
    assert "../../conformance/broadcast/servers/asyncio.html" in links
    assert {"../../diff/broadcast/asyncio--go.html", "../../diff/broadcast/asyncio--threads.html"} <= links


def test_the_method_says_what_was_left_out_and_why(tmp_path: Path) -> None:
    run = asyncio_and_others()
    servers = tuple(
        msgspec.structs.replace(run.info.implementations[0], name=name) for name in ("absent", "idle", "unlucky")
    )
    info = msgspec.structs.replace(
        run.info,
        implementations=(*run.info.implementations, *servers),
        unavailable={"broadcast/absent": "no compiler"},
        command="harness run --all",
    )
    blocks = [
        msgspec.structs.replace(block, entries=(*block.entries, Entry("unlucky")), failed={"4": "it died: <signal 11>"})
        for block in run.blocks
    ]
    shown = Run(info, [], blocks=blocks)
    (page,) = method.pages(site_of(shown))
    left_out = {each.reason: [server.name for server, _ in each.servers] for each in page.context["left_out"]}
    assert left_out == {
        "This machine lacks what they need": ["absent"],
        "They died under load or broke a rule that every load verifies": ["unlucky"],
        "No block has figures of them": ["idle"],
    }
    write_site(shown, tmp_path)
    text = words_of(tmp_path / "method.html")
    for part in ("no compiler", "it died: <signal 11>", "harness run --all", "8 blocks", "go:", "0 of"):
        assert part in text
    assert Role.CONTROL in {entry.role for entry in shown.blocks[0].entries}


def test_the_method_does_not_blame_a_server_for_the_machine_or_for_a_build() -> None:
    run = asyncio_and_others()
    blocks = [
        msgspec.structs.replace(block, disturbed={"0": "another process had its core"}, failed={"1": "it died"})
        for block in run.blocks
    ]
    info = msgspec.structs.replace(run.info, unbuilt={"broadcast/threads": "no linker"})
    (page,) = method.pages(site_of(Run(info, [], blocks=blocks)))
    reasons = {server.name: group.reason for group in page.context["left_out"] for server, _ in group.servers}
    assert reasons == {
        "asyncio": "No block has figures of them",
        "go": "They died under load or broke a rule that every load verifies",
        "threads": "They could not be built",
    }


def test_the_command_writes_the_site_of_the_latest_run(tmp_path: Path) -> None:
    write_as_latest(asyncio_and_others(), tmp_path)
    words = command("report", "--html", "site")
    ended = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("site/index.html: written, with ")
    assert (tmp_path / "site/servers/broadcast/asyncio.html").is_file()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    write_as_latest(asyncio_and_others(), tmp_path)
    (tmp_path / "site").mkdir()
    (tmp_path / "site/servers").write_text("a file where a folder shall be")
    words = command("report", "--html", "site")
    ended = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 3
    assert ended.stderr.startswith("harness: site/servers")
    assert ended.stderr.count("\n") == 1


def test_a_run_in_which_no_server_is_ranked_has_its_site_all_the_same(tmp_path: Path) -> None:
    run = asyncio_and_others(blocks=2)
    names = [f"broadcast/{server.name}" for server in run.info.implementations]
    info = msgspec.structs.replace(run.info, unavailable=dict.fromkeys(names, "no compiler"))
    write_site(Run(info, [], blocks=run.blocks), tmp_path / "unavailable")
    write_site(Run(info, []), tmp_path / "empty")
    for folder in ("unavailable", "empty"):
        assert "No server is ranked" in words_of(tmp_path / folder / "index.html")
