"""The comment on a pull request: what it says, and that text of others stays text in it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from harness import plugins
from harness.errors import UsageError
from harness.escapes import visible, visible_lines
from harness.figures import BUILT_IN
from harness.league.compare_runs import Change
from harness.league.live import LiveComparison
from harness.model import CaseResult, Evidence, Implementation, Level, Run, Verdict
from harness.report import live_comparison
from harness.report.foreign_text import code_block, code_span
from harness.report.pull_request import LONGEST, MARKER, comment
from harness.requirements import text as requirements
from tests.sample_runs import run_of as sample_run_of
from tests.simulated_runs import run_of, write_run
from tests.zoo import harness

HOSTILE = (
    "<script>alert(1)</script>",
    "@everyone and @torvalds, see #1 and GH-1",
    "[click](javascript:alert(1)) ![](https://example.org/spy.png) https://example.org www.example.org",
    "`` ` ``` closes",
    "```\n</details>\n# heading\n<!-- ",
    "~~~\n\n    indented\n\n| a | b |\n|---|---|",
    "\u202eright to left\u2066 \x1b[31m \x00",
    "  ",
    "`",
    "\\",
    "",
)


PARSER = MarkdownIt("commonmark", {"html": True}).enable("table")


def tokens_of(text: str) -> Iterator[Token]:
    """Yield the tokens of a text as GitHub reads Markdown, HTML included, those within lines as well."""
    for token in PARSER.parse(text):
        yield token
        yield from token.children or ()


def checked(name: str = "mine", spec: str = "broadcast", *cases: CaseResult, **more: object) -> Run:
    """Return a run that checked one server."""
    run = sample_run_of()
    info = msgspec.structs.replace(run.info, implementations=(Implementation(name=name, spec=spec),), **more)
    return Run(info, cases)


def case(verdict: Verdict, requirement: str = "BC-ORDER-2", *, name: str = "mine", **more: object) -> CaseResult:
    """Return the result of a case that never ran."""
    result = CaseResult(
        implementation=name,
        spec="broadcast",
        id="a_case",
        requirements=(requirement,),
        level=Level.MUST,
        verdict=verdict,
        message="what was seen",
    )
    return msgspec.structs.replace(result, **more)


def change(mean: float, *, significant: bool, figure: str = "deliveries_per_s", low: float = -0.1) -> Change:
    """Return a change of a server that was never measured."""
    return Change(
        "broadcast", "a → b", "few senders", BUILT_IN[figure], 1e6, 2e6, 8, mean, low, 0.9, is_significant=significant
    )


@given(st.text() | st.sampled_from(HOSTILE) | st.text(alphabet="` \n\\<@x", max_size=12))
def test_a_text_within_a_line_stays_text(text: str) -> None:
    span = code_span(text)
    inline = [token for token in tokens_of(f"x{span}y") if token.type not in ("paragraph_open", "paragraph_close")]
    assert [token.type for token in inline] == ["inline", "text", "code_inline", "text"]
    assert inline[2].content == (visible(text) or " ")


@given(st.text() | st.sampled_from(HOSTILE) | st.text(alphabet="`~ \n\\<@x", max_size=12))
def test_a_block_of_text_stays_text(text: str) -> None:
    (block,) = tokens_of(code_block(text, "python"))
    assert (block.type, block.info) == ("fence", "python")
    assert block.content.strip("\n") == visible_lines(text.replace("\r\n", "\n")).strip("\n")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_nothing_of_a_server_is_markup_in_a_comment(hostile: str) -> None:
    evidence = Evidence(
        expected=hostile, transcript=hostile, drawing=hostile, script=hostile, file=hostile.replace("/", "") or "x"
    )
    failed = case(Verdict.FAIL, name=hostile, id=hostile, message=hostile, evidence=evidence)
    run = checked(hostile, "broadcast", failed, command=hostile, commit=hostile)
    names = (hostile, f"{hostile}@main")
    compared = LiveComparison(names, [change(0.5, significant=True)], hostile)
    unbuilt = checked(hostile, "broadcast", unbuilt={f"broadcast/{hostile}": f"{hostile}\n{hostile}"})
    unavailable = checked(hostile, hostile, unavailable={f"{hostile}/{hostile}": hostile})
    for text in (comment(run, [compared]), comment(unbuilt), comment(unavailable)):
        assert text.startswith(f"{MARKER}\n")
        found = list(tokens_of(text))
        assert not [token for token in found if token.type in ("link_open", "image", "html_inline", "table_open")]
        raw = [token.content for token in found if token.type == "html_block"]
        assert {line for html in raw for line in html.splitlines()} <= {
            MARKER,
            "</details>",
            "<details><summary>The transcript</summary>",
            "<details><summary>A script that reproduces it</summary>",
            "<details><summary>All figures, with intervals that hold together with a probability of 95 %</summary>",
        }
        if hostile.strip(" `\\"):
            assert not [token.content for token in found if token.type == "text" and hostile in token.content]


def test_a_failure_is_shown_with_its_requirement_its_transcript_and_its_script() -> None:
    evidence = Evidence(
        expected="one order", transcript="← 1.0", drawing="client 0", script="import socket", file="s.py"
    )
    failed = case(Verdict.FAIL, evidence=evidence)
    text = comment(checked("mine", "broadcast", case(Verdict.PASS), failed, case(Verdict.FAIL, "BC-LOAD-1")))
    assert "### `mine` does not conform to `broadcast`" in text
    assert "- `mine` (`broadcast`): `BC-ORDER-2` and `BC-LOAD-1` failed; 1 of 3 cases passed." in text
    requirement = requirements.of(plugins.specs()["broadcast"])["BC-ORDER-2"]
    for part in ("what was seen", "one order", "← 1.0", "client 0", requirement.text, requirement.bug):
        assert part in " ".join(text.split())
    assert "```python\nimport socket\n```" in text
    assert "Save it as `s.py`" in text
    assert "1 more case fails" in text


def test_a_failure_of_a_spec_that_is_not_installed_is_shown_without_its_requirement() -> None:
    text = comment(checked("mine", "unknown", case(Verdict.FAIL, spec="unknown")))
    assert "what was seen" in text
    assert "The requirement" not in text


def test_each_way_not_to_be_judged_has_its_words() -> None:
    assert "the run ended before its turn" in comment(checked())
    assert "### No verdict on `mine`" in comment(checked())
    unbuilt = comment(checked(unbuilt={"broadcast/mine": "cannot be built; its last words:\nerror: x\nerror: y"}))
    assert "### `mine` does not build" in unbuilt
    assert "its build failed: `cannot be built; its last words:`\n\n  ```\n  error: x\n  error: y\n  ```" in unbuilt
    assert "cannot run on this machine: `no cc`" in comment(checked(unavailable={"broadcast/mine": "no cc"}))
    unknown = comment(checked("mine", "broadcast", case(Verdict.PASS), case(Verdict.UNKNOWN)))
    assert "no verdict; 1 of 2 cases passed" in unknown


def test_servers_that_do_equally_well_share_a_line() -> None:
    run = checked()
    servers = tuple(Implementation(name=name, spec="broadcast") for name in ("ant", "bee", "cow", "dog"))
    cases = [case(Verdict.FAIL if name == "cow" else Verdict.PASS, name=name) for name in ("ant", "bee", "cow")]
    text = comment(Run(msgspec.structs.replace(run.info, implementations=servers, smoke=True), cases))
    assert "### 2 of 4 servers conform, 1 does not, 1 could not be judged" in text
    assert "- `ant`, `bee` (`broadcast`): 1 of 1 smoke cases passed." in text
    assert text.index("`cow`") < text.index("`ant`"), "what fails comes first"


def test_a_should_that_does_not_hold_is_named() -> None:
    warned = case(Verdict.WARN, "BC-START-8", level=Level.SHOULD)
    text = comment(checked("mine", "broadcast", case(Verdict.PASS), warned))
    assert "1 of 2 cases passed; a SHOULD does not hold: `BC-START-8`" in text


def test_it_says_what_changed_in_figures_and_whether_that_is_distinguishable() -> None:
    names = ("mine@base", "mine")
    better = [change(0.2, significant=True), change(0.1, significant=True, figure="latency_p99_ns")]
    text = comment(checked(), [LiveComparison(names, better, "8 blocks")])
    assert "`mine` is better in `deliveries` (`few senders`, +22.1 % [" in text
    assert "and worse in `p99` (`few senders`, +10.5 % [" in text
    assert "8 blocks" in text
    same = comment(checked(), [LiveComparison(names, [change(0.01, significant=False)], "8 blocks")])
    assert "`mine` does not differ significantly from `mine@base` in anything that was measured." in same
    assert "A typical difference above 65 % would have been significant." in same  # the interval is [-0.1, 0.9]
    few = comment(checked(), [LiveComparison(names, [change(0.01, significant=False, low=math.nan)], "2 blocks")])
    assert "A typical difference" not in few


def test_it_says_if_servers_were_not_compared() -> None:
    run = checked()
    servers = tuple(Implementation(name=name, spec="broadcast") for name in ("ant", "bee"))
    several = Run(msgspec.structs.replace(run.info, implementations=servers), [])
    compared = [LiveComparison(("ant@base", "ant"), [change(0.2, significant=True)], "8 blocks")]
    assert "Servers compared: 1 of 2." in comment(several, compared)
    assert "Servers compared" not in comment(run, compared)
    assert "Servers compared" not in comment(several)


def test_every_form_of_it_leads_to_the_whole_run() -> None:
    link = "[The whole run](https://example.org/run)."
    assert comment(checked(), url="https://example.org/run").endswith(f"{link}\n")
    servers = tuple(Implementation(name=f"server_{number}" * 9, spec="broadcast") for number in range(2000))
    many = Run(msgspec.structs.replace(checked().info, implementations=servers), [])
    assert comment(many, url="https://example.org/run").endswith(f"{link}\n")
    assert "The whole run" not in comment(checked())


def test_the_league_of_the_run_is_folded_away() -> None:
    run = run_of({"ant": 5e6, "bee": 9e6})
    text = comment(run)
    assert "<details><summary>The league of 2 of this run's servers</summary>" in text
    assert text.index("bee   ") < text.index("ant   ")


def test_a_comment_is_never_longer_than_github_takes() -> None:
    long = "x " * 200_000
    evidence = Evidence(expected=long, transcript=long, script=long, file="s.py")
    text = comment(checked("mine", "broadcast", case(Verdict.FAIL, message=long, evidence=evidence)))
    assert len(text) < LONGEST
    assert "characters; the run has all of them" in text
    assert "too long for a comment: `s.py` in the run" in text
    names = tuple(f"server_{number}" * 9 for number in range(2000))
    info = msgspec.structs.replace(
        checked().info, implementations=tuple(Implementation(name=name, spec="broadcast") for name in names)
    )
    assert len(comment(Run(info, []))) <= LONGEST


def test_a_stored_comparison_is_read_as_it_was(tmp_path: Path) -> None:
    changes = [change(0.2, significant=True), change(0.1, significant=False, low=math.nan)]
    stored = tmp_path / "stored.json"
    stored.write_text(json.dumps(live_comparison.as_data(LiveComparison(("a", "b"), changes, "note"))))
    read = live_comparison.read(stored)
    assert (read.names, read.note) == (("a", "b"), "note")
    assert read.changes[0].mean == pytest.approx(0.2)
    assert read.changes[0].words == "better"
    assert math.isnan(read.changes[1].low)
    assert read.changes[1].words == "too few blocks"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no output of `harness compare --live --json`"),
        ('{"changes": []}', "no output of `harness compare --live --json`.*names"),
        ('{"names": ["a", "b"], "note": "", "changes": [{"figure": 7}]}', "no output of"),
    ],
)
def test_what_is_no_comparison_is_one_sentence(tmp_path: Path, text: str, reason: str) -> None:
    stored = tmp_path / "stored.json"
    stored.write_text(text)
    with pytest.raises(UsageError, match=reason):
        live_comparison.read(stored)


def test_a_comparison_of_figures_that_are_unknown_here_is_refused(tmp_path: Path) -> None:
    data = live_comparison.as_data(LiveComparison(("a", "b"), [change(0.2, significant=True)], "note"))
    data["changes"][0]["figure"] = "beauty"
    stored = tmp_path / "stored.json"
    stored.write_text(json.dumps(data))
    with pytest.raises(UsageError, match='has the figure "beauty"'):
        live_comparison.read(stored)


def test_the_command_writes_it_to_a_file_or_prints_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(run_of({"ant": 5e6, "bee": 9e6}), "made")
    data = live_comparison.as_data(LiveComparison(("ant@main", "ant"), [change(0.2, significant=True)], "note"))
    (tmp_path / "before.json").write_text(json.dumps(data))
    printed = harness("report", "--pr", "-", "--compared", "before.json", folder=tmp_path)
    assert printed.returncode == 0, printed.stderr
    assert printed.stdout.startswith(MARKER)
    assert "`ant` is better in" in printed.stdout
    written = harness("report", "--pr", "comment.md", "--compared", "before.json", folder=tmp_path)
    assert written.stdout == "comment.md: written\n"
    assert (tmp_path / "comment.md").read_text() == printed.stdout
    wrong = harness("report", "--compared", "before.json", folder=tmp_path)
    assert (wrong.returncode, "name a file for it with --pr" in wrong.stderr) == (2, True)
    linked = harness("report", "--pr", "-", "--run-url", "https://example.org/run", folder=tmp_path)
    assert "(https://example.org/run)" in linked.stdout
    wrong = harness("report", "--run-url", "https://example.org/run", folder=tmp_path)
    assert (wrong.returncode, "--run-url is for the comment" in wrong.stderr) == (2, True)


def test_why_a_build_failed_is_kept_with_the_run(tmp_path: Path) -> None:
    (tmp_path / "server.c").touch()
    (tmp_path / "impl.toml").write_text(
        'name = "mine"\nspec = "broadcast"\nsource = "server.c"\nrun = ["{build}/server"]\n'
        'build = ["sh", "-c", "echo no such header; exit 1"]\n'
    )
    ended = harness("run", "./impl.toml", "--spec", "broadcast", "--smoke", folder=tmp_path)
    assert ended.returncode == 3, ended.stderr
    text = harness("report", "--pr", "-", folder=tmp_path).stdout
    assert "### `mine` does not build" in text
    assert "no such header" in text
    assert "mine: not built: cannot be built: sh exited with status 1" in harness("report", folder=tmp_path).stdout
