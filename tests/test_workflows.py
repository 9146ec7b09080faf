"""The workflows: who may do what in them, and that their commands are those of the harness."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from harness.commands.main import harness as harness_group
from harness.report.pull_request import MARKER
from harness.styles import CATEGORIES, STYLES

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
PULL_REQUEST, COMMENT, LEAGUE = "pull_request.yml", "pull_request_comment.yml", "league.yml"
PINNED = re.compile(r"^[\w./-]+@[0-9a-f]{40}$")


def read(name: str) -> dict[Any, Any]:
    workflow = yaml.safe_load((FOLDER / name).read_text("utf-8"))
    assert isinstance(workflow, dict)
    return workflow


def events(name: str) -> set[str]:
    on = read(name)[True]  # YAML 1.1 reads "on" as true
    return set(on) if isinstance(on, dict | list) else {on}


def steps(name: str) -> Iterator[dict[str, Any]]:
    for job in read(name)["jobs"].values():
        yield from job["steps"]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_workflow_asks_for_nothing_and_each_job_for_what_it_needs(file: Path) -> None:
    workflow = read(file.name)
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_actions_are_named_by_hash_with_their_version_and_leave_no_token_behind(file: Path) -> None:
    lines = [line for line in file.read_text("utf-8").splitlines() if "uses:" in line]
    assert all(re.search(r"uses: \S+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line) for line in lines), lines
    for step in steps(file.name):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_code_of_strangers_never_sees_a_token(file: Path) -> None:
    if "pull_request" in events(file.name):
        text = file.read_text("utf-8")
        assert not re.search(r"secrets\.|github\.token|GITHUB_TOKEN", text)
        for job in read(file.name)["jobs"].values():
            assert job.get("permissions", {"contents": "read"}) == {"contents": "read"}
    assert "pull_request_target" not in events(file.name)


def test_what_may_write_a_comment_runs_no_code_but_its_own() -> None:
    jobs = read(COMMENT)["jobs"]
    assert set(jobs) == {"write", "post"}
    assert set(jobs["write"]["permissions"].values()) == {"read"}
    assert jobs["post"]["permissions"] == {"pull-requests": "write"}
    used = [step.get("uses", "run").partition("@")[0] for step in jobs["post"]["steps"]]
    assert used == ["actions/download-artifact", "actions/github-script"]
    (checkout,) = [step for step in jobs["write"]["steps"] if "checkout" in step.get("uses", "")]
    assert checkout["with"]["ref"] == "${{ github.event.repository.default_branch }}"


def test_the_comment_follows_the_workflow_of_that_name() -> None:
    assert read(COMMENT)[True]["workflow_run"]["workflows"] == [read(PULL_REQUEST)["name"]]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_no_text_from_outside_is_put_into_a_script(file: Path) -> None:
    """What an event says comes in by environment variables: in the text of a script it would be code."""
    for step in steps(file.name):
        assert "${{" not in step.get("run", "") + str(step.get("with", {}).get("script", ""))


def commands_in(script: str) -> Iterator[list[str]]:
    """Yield the words of each call of the harness in a script."""
    for line in script.replace("\\\n", " ").splitlines():
        if found := re.match(r"\s*(?:\.venv/bin/)?harness (.*)", line.replace("run: ", "")):
            yield shlex.split(re.split(r" (?:\|\||>>?) ", found[1])[0], comments=True)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_commands_and_options_exist(file: Path) -> None:
    for step in steps(file.name):
        for command, *words in commands_in(step.get("run", "")):
            found = harness_group.get_command(click.Context(harness_group), command)
            assert found, command
            known = {option for parameter in found.params for option in parameter.opts}
            given = {word for word in words[: words.index("--") if "--" in words else None] if word.startswith("--")}
            assert given <= known, f"harness {command}"


def test_the_form_for_a_server_has_the_words_that_a_manifest_may_say() -> None:
    form = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/new_server.yml").read_text("utf-8"))
    options = {part["id"]: part["attributes"].get("options") for part in form["body"] if "id" in part}
    assert options["style"] == list(STYLES)
    assert options["category"] == [f"{name}: {meaning}" for name, meaning in CATEGORIES.items()]


needs_node = pytest.mark.skipif(not shutil.which("node"), reason="needs node, which runs the script of the workflow")
SHA = "0" * 40
API = """
const asked = [];
const context = { repo: { owner: "o", repo: "r" }, payload: { workflow_run: {
  head_repository: { owner: { login: "stranger" } }, head_branch: "b", head_sha: "%(sha)s" } } };
const github = {
  paginate: async (method, parameters) => (await method(parameters)).data,
  rest: {
    pulls: { list: async (parameters) => { asked.push(["list", parameters]); return { data: %(pulls)s }; } },
    issues: {
      listComments: async (parameters) => ({ data: %(comments)s }),
      updateComment: async (parameters) => { asked.push(["update", parameters]); },
      createComment: async (parameters) => { asked.push(["create", parameters]); },
    },
  },
};
const core = { notice: (text) => asked.push(["notice", text]) };
(async () => { %(script)s })().then(() => console.log(JSON.stringify(asked)));
"""


def post(folder: Path, *, pulls: object, comments: object) -> list[list[Any]]:
    """Run the script that posts a comment against an API that is not there; return what it asked of it."""
    (script,) = [step["with"]["script"] for step in steps(COMMENT) if "github-script" in step.get("uses", "")]
    (folder / "comment.md").write_text(f"{MARKER}\n\nnew text\n")
    text = API % {"sha": SHA, "pulls": json.dumps(pulls), "comments": json.dumps(comments), "script": script}
    (folder / "post.cjs").write_text(text)
    ended = subprocess.run(["node", "post.cjs"], cwd=folder, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    asked = json.loads(ended.stdout)
    assert isinstance(asked, list)
    return asked


BOT, PERSON = {"login": "github-actions[bot]"}, {"login": "person"}
PULL = {"number": 7, "head": {"sha": SHA}}


@needs_node
def test_the_first_verdict_is_a_new_comment(tmp_path: Path) -> None:
    comments = [
        {"id": 1, "user": PERSON, "body": f"{MARKER}\n\nquoted by a person"},
        {"id": 2, "user": BOT, "body": "of another workflow"},
        {"id": 3, "user": None, "body": None},
    ]
    listed, created = post(tmp_path, pulls=[PULL], comments=comments)
    assert listed[1]["head"] == "stranger:b"
    assert created[0] == "create"
    assert (created[1]["issue_number"], created[1]["body"]) == (7, f"{MARKER}\n\nnew text\n")


@needs_node
def test_the_next_verdict_replaces_it(tmp_path: Path) -> None:
    comments = [{"id": 5, "user": BOT, "body": f"{MARKER}\n\nold text"}]
    _, updated = post(tmp_path, pulls=[PULL], comments=comments)
    assert updated[0] == "update"
    assert (updated[1]["comment_id"], updated[1]["body"]) == (5, f"{MARKER}\n\nnew text\n")


@needs_node
@pytest.mark.parametrize("pulls", [[], [{"number": 7, "head": {"sha": "1" * 40}}]])
def test_nothing_is_posted_about_commits_that_are_not_the_newest(tmp_path: Path, pulls: object) -> None:
    _, notice = post(tmp_path, pulls=pulls, comments=[])
    assert notice[0] == "notice"


STUB = """#!/bin/sh
echo "$@" >> "$CALLS"
case "$1 $2" in
"list "*) cat "$TOUCHED" ;;
"run "*) mkdir -p results/run && ln -sfn run results/latest && touch results/run/run.json; exit "$STATUS" ;;
"compare "*) echo '{}' ;;
esac
"""


def check_a_pull_request(folder: Path, touched: list[dict[str, object]], status: int = 0) -> tuple[list[str], int]:
    """Run the steps of the workflow with a harness that only notes its arguments; return these, and the last status."""
    stub = folder / "bin" / "harness"
    stub.parent.mkdir()
    stub.write_text(STUB)
    stub.chmod(0o755)
    (folder / "touched").write_text(json.dumps(touched))
    calls, output = folder / "calls", folder / "output"
    calls.touch()
    output.touch()
    variables = {
        "CALLS": calls,
        "TOUCHED": folder / "touched",
        "STATUS": status,
        "GITHUB_OUTPUT": output,
        "BASE": "base",
    }
    environment = {**os.environ, **{name: str(value) for name, value in variables.items()}}
    environment["PATH"] = f"{stub.parent}:{environment['PATH']}"
    last = 0
    for step in list(steps(PULL_REQUEST))[3:]:
        found = dict(line.split("=") for line in output.read_text().splitlines())
        condition = step.get("if", "").replace("steps.run.outputs.status", repr(found.get("status", "")))
        if "run" in step and (not condition or eval(condition.replace("&&", "and"))):
            script = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
            last = subprocess.run(script, cwd=folder, env=environment, capture_output=True, timeout=60).returncode
    return calls.read_text().splitlines(), last


needs_jq = pytest.mark.skipif(not shutil.which("jq"), reason="needs jq, which the steps of the workflow use")
GO = {"spec": "chatter", "name": "go", "changed": "source", "available": True}
MINE = {"spec": "chatter", "name": "-x mine; `y`", "changed": "new", "available": False}


@needs_jq
def test_what_changed_is_checked_and_compared_with_what_it_was(tmp_path: Path) -> None:
    calls, status = check_a_pull_request(tmp_path, [GO, MINE])
    assert [call for call in calls if not call.startswith("list")] == [
        "doctor --install -- -x mine; `y` go",
        "run --alone --sandbox on --within 40m --spec chatter -- -x mine; `y` go",
        "compare --sandbox on --live --for 1m --spec chatter --json -- go@base go",
    ]
    assert status == 0
    assert sorted(str(file.relative_to(tmp_path)) for file in tmp_path.glob("verdict/*/*")) == [
        "verdict/compared/1.json",
        "verdict/run/run.json",
    ]


@needs_jq
def test_a_changed_spec_is_checked_with_the_servers_that_run_here(tmp_path: Path) -> None:
    servers = [GO | {"changed": "spec"}, GO | {"name": "zig", "changed": "spec", "available": False}]
    calls, status = check_a_pull_request(tmp_path, [*servers, GO | {"spec": "whisper", "changed": "spec"}])
    assert [call for call in calls if not call.startswith("list")] == ["run --alone --sandbox on --within 40m -- go"]
    assert status == 0


@needs_jq
def test_a_server_that_does_not_conform_makes_it_red_after_the_run_is_kept(tmp_path: Path) -> None:
    calls, status = check_a_pull_request(tmp_path, [GO], status=1)
    assert calls[-1].startswith("compare ")
    assert (tmp_path / "verdict/run/run.json").is_file()
    assert (tmp_path / "verdict/compared/1.json").is_file()
    assert status == 1


@needs_jq
def test_of_many_changed_servers_eight_are_compared(tmp_path: Path) -> None:
    calls, _ = check_a_pull_request(tmp_path, [GO | {"name": f"go{number}"} for number in range(10)])
    compared = [call.split()[-1] for call in calls if call.startswith("compare ")]
    assert compared == [f"go{number}" for number in range(8)]


@needs_jq
def test_a_change_of_no_server_checks_nothing(tmp_path: Path) -> None:
    calls, status = check_a_pull_request(tmp_path, [])
    assert {call.split()[0] for call in calls} == {"list"}
    assert not (tmp_path / "verdict").exists()
    assert status == 0


def write_the_comment(folder: Path, conclusion: str) -> tuple[str, str]:
    """Run the step that makes the text without a run to make it from; return the text, "" for none, and its output."""
    (step,) = [step for step in steps(COMMENT) if step.get("id") == "write"]
    output = folder / "output"
    output.touch()
    environment = {
        **os.environ,
        "CONCLUSION": conclusion,
        "RUN_URL": "https://example.org/run",
        "RUNNER_TEMP": str(folder / "temporary"),
        "GITHUB_OUTPUT": str(output),
    }
    script = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    subprocess.run(script, cwd=folder, env=environment, timeout=60, check=True)
    comment = folder / "comment.md"
    return comment.read_text() if comment.exists() else "", output.read_text()


def test_a_check_that_ended_without_a_result_replaces_an_older_verdict(tmp_path: Path) -> None:
    text, output = write_the_comment(tmp_path, "failure")
    assert text.splitlines()[:3] == [MARKER, "", "### No verdict"]
    assert "[its log](https://example.org/run) says why" in text
    assert output == "has_text=true\n"


def test_a_check_of_nothing_is_no_comment(tmp_path: Path) -> None:
    assert write_the_comment(tmp_path, "success") == ("", "")


LEAGUE_STUB = """#!/bin/sh
case "$1" in
run) mkdir -p "results/$RUN" && ln -sfn "$RUN" results/latest && touch "results/$RUN/run.json"; exit "$STATUS" ;;
report) mkdir -p site ;;
esac
"""
CURL_STUB = """#!/bin/sh
if [ -f "$PUBLISHED/runs.tar.gz" ]; then cp "$PUBLISHED/runs.tar.gz" . && ANSWER=200; fi
echo "$ANSWER"
"""


def make_the_league(folder: Path, run: str, status: int = 0, answer: int = 404) -> int:
    """Run the steps of the weekly workflow with a harness that makes an empty run; return the first status but 0.

    Args:
        folder: where they run; the folder `published` in it is the site as it was before.
        run: the id of the run.
        status: that of `harness run`.
        answer: the status of the site to a request of runs that it has not.
    """
    programs = folder / "bin"
    programs.mkdir(parents=True)
    for name, text in (("harness", LEAGUE_STUB), ("curl", CURL_STUB)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    environment = {
        **os.environ,
        "RUN": run,
        "STATUS": str(status),
        "PUBLISHED": str(folder / "published"),
        "ANSWER": str(answer),
        "GITHUB_REPOSITORY_OWNER": "o",
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
        "PATH": f"{programs}:{os.environ['PATH']}",
    }
    for step in read(LEAGUE)["jobs"]["measure"]["steps"]:
        if "run" in step and "make setup" not in step["run"]:
            script = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
            if ended := subprocess.run(script, cwd=folder, env=environment, timeout=60, check=False).returncode:
                return ended
    return 0


@pytest.mark.parametrize(("status", "is_published"), [(0, True), (1, True), (2, False), (3, True)])
def test_a_league_in_which_some_servers_fail_is_published(status: int, is_published: bool, tmp_path: Path) -> None:
    assert (make_the_league(tmp_path, "new", status) == 0) is is_published
    assert (tmp_path / "site/run.json").is_file() is is_published


def test_the_league_publishes_the_earlier_runs_again(tmp_path: Path) -> None:
    assert make_the_league(tmp_path / "first", "20250301T101500-1a2b") == 0
    (tmp_path / "second").mkdir()
    (tmp_path / "first/site").rename(tmp_path / "second/published")
    assert make_the_league(tmp_path / "second", "20250308T101500-3c4d") == 0
    with tarfile.open(tmp_path / "second/site/runs.tar.gz") as runs:
        assert sorted(name for name in runs.getnames() if name.endswith("run.json")) == [
            "results/20250301T101500-1a2b/run.json",
            "results/20250308T101500-3c4d/run.json",
        ]


def test_the_league_does_not_replace_runs_that_it_could_not_fetch(tmp_path: Path) -> None:
    assert make_the_league(tmp_path, "new", answer=503) == 1
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize(("user", "words"), [(0, "apt-get"), (1001, "sudo apt-get")])
def test_ci_installs_as_root_or_with_sudo(user: int, words: str, tmp_path: Path) -> None:
    script = tmp_path / ".ci" / "run"
    script.parent.mkdir()
    script.write_text((ROOT / ".ci/run").read_text("utf-8").partition("make setup")[0])
    programs = tmp_path / "bin"
    programs.mkdir()
    note = 'echo "${0##*/} $*" >> calls'
    for name, does in (("apt-get", note), ("sudo", note), ("id", f"echo {user}"), ("dirname", "echo .ci")):
        (programs / name).write_text(f"#!/bin/sh\n{does}\n")
        (programs / name).chmod(0o755)
    bash = shutil.which("bash") or "bash"
    subprocess.run([bash, script], cwd=tmp_path, env={"PATH": str(programs)}, timeout=60, check=True)
    updated, installed = (tmp_path / "calls").read_text().splitlines()
    assert updated == f"{words} update -qq"
    assert installed.startswith(f"{words} install -y -qq ")
    assert "bubblewrap" in installed


def test_the_sandbox_works_where_ci_tests_it() -> None:
    scripts = [step.get("run", "") for step in steps("ci.yml")]
    (allowing,) = [place for place, script in enumerate(scripts) if "apparmor_restrict_unprivileged_userns=0" in script]
    assert allowing < scripts.index(".ci/run")


def test_a_release_uploads_for_a_pushed_tag_only_and_what_it_has_tried() -> None:
    assert set(read("release.yml")[True]["push"]) == {"tags"}
    jobs = read("release.yml")["jobs"]
    assert jobs["publish"]["if"] == "github.event_name == 'push'"
    (tried,) = [step for step in jobs["pure"]["steps"] if "test_distributions" in step.get("run", "")]
    (kept,) = [step for step in jobs["pure"]["steps"] if "upload-artifact" in step.get("uses", "")]
    assert Path(tried["env"]["ZILLIONS_DIST"]) == Path(kept["with"]["path"])
