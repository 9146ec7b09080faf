"""Which servers a change touches, in a repository of its own."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness import plugins
from harness.commands import list_command
from harness.errors import UsageError
from harness.model import Implementation, Spec
from harness.zoo.touched import Touch, touched_since
from tests.zoo import harness, lines_of

AUTHOR = ("-c", "user.name=a", "-c", "user.email=a@example.org")
MINE, OTHER, BESIDE = ("chatter", "mine"), ("chatter", "other"), ("whisper", "mine")


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *AUTHOR, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with a folder of two servers, another server, and two specs with shared cases, at the tag `base`."""
    for name in (
        "impls/mine_impl/chatter.c",
        "impls/mine_impl/whisper.c",
        "impls/mine_impl/whisper.lock",
        "impls/mine_impl/shared.h",
        "impls/mine_impl/README.md",
        "impls/other_impl/chatter.py",
        "spec/chatter/README.md",
        "spec/chatter/REQUIREMENTS.md",
        "spec/chatter/wire.py",
        "spec/whisper/README.md",
        "spec/common/test_order.py",
        "tools/code.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("before")
    git(tmp_path, "init", "--initial-branch", "main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "base")
    git(tmp_path, "tag", "base")
    return tmp_path


@pytest.fixture
def touched(root: Path) -> Callable[[str], dict[tuple[str, str], Touch]]:
    """A function from a revision to what is touched since."""
    mine, other = root / "impls/mine_impl", root / "impls/other_impl"
    servers = [
        Implementation(name="mine", spec="chatter", source=mine / "chatter.c"),
        Implementation(name="mine", spec="whisper", source=mine / "whisper.c", files=("whisper.lock",)),
        Implementation(name="other", spec="chatter", source=other / "chatter.py"),
        Implementation(name="path", spec="unknown", run=("/bin/true",)),
    ]
    like = plugins.specs()["broadcast"]

    def spec(name: str) -> Spec:
        folder = root / "spec" / name
        return dataclasses.replace(
            like, name=name, text=folder / "README.md", cases=folder, shares=(root / "spec/common",)
        )

    specs = {name: spec(name) for name in ("chatter", "whisper")}
    return lambda revision: touched_since(revision, servers, specs, root / "impls")


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("impls/mine_impl/chatter.c", {MINE: Touch.SOURCE}),
        ("impls/mine_impl/whisper.lock", {BESIDE: Touch.SOURCE}),
        ("impls/mine_impl/shared.h", {MINE: Touch.SOURCE, BESIDE: Touch.SOURCE}),
        ("impls/mine_impl/added.h", {MINE: Touch.SOURCE, BESIDE: Touch.SOURCE}),
        ("impls/mine_impl/README.md", {}),
        ("spec/chatter/README.md", {MINE: Touch.SPEC, OTHER: Touch.SPEC}),
        ("spec/chatter/REQUIREMENTS.md", {}),
        ("spec/chatter/wire.py", {MINE: Touch.SPEC, OTHER: Touch.SPEC}),
        ("spec/common/test_order.py", {MINE: Touch.SPEC, BESIDE: Touch.SPEC, OTHER: Touch.SPEC}),
        ("tools/code.py", {}),
    ],
)
@pytest.mark.parametrize("is_committed", [True, False])
def test_a_file_touches_the_servers_that_it_belongs_to(
    root: Path,
    touched: Callable[[str], dict[tuple[str, str], Touch]],
    file: str,
    expected: dict[tuple[str, str], Touch],
    is_committed: bool,
) -> None:
    (root / file).write_text("after")
    if is_committed:
        git(root, "add", ".")
        git(root, "commit", "-m", "change")
    assert touched("base") == expected


def test_a_server_that_the_revision_lacks_is_new(
    root: Path, touched: Callable[[str], dict[tuple[str, str], Touch]]
) -> None:
    git(root, "rm", "-q", "impls/other_impl/chatter.py")
    git(root, "commit", "-m", "without")
    git(root, "tag", "without")
    (root / "impls/other_impl").mkdir()
    (root / "impls/other_impl/chatter.py").write_text("again")
    assert touched("without") == {OTHER: Touch.NEW}


def test_what_happened_on_the_other_branch_is_no_change(
    root: Path, touched: Callable[[str], dict[tuple[str, str], Touch]]
) -> None:
    git(root, "checkout", "-b", "branch")
    (root / "impls/other_impl/chatter.py").write_text("of the branch")
    git(root, "commit", "-am", "branch")
    git(root, "checkout", "main")
    (root / "impls/mine_impl/chatter.c").write_text("of main")
    git(root, "commit", "-am", "main")
    git(root, "checkout", "branch")
    assert touched("main") == {OTHER: Touch.SOURCE}


def test_what_git_does_not_know_is_one_sentence(
    tmp_path: Path, touched: Callable[[str], dict[tuple[str, str], Touch]], root: Path
) -> None:
    with pytest.raises(UsageError, match=r"git cannot say what has changed: .*nothing"):
        touched("nothing")
    git(root, "checkout", "--orphan", "elsewhere")
    git(root, "commit", "-m", "unrelated")
    with pytest.raises(UsageError, match="no commit in common"):
        touched("base")


def test_a_revision_is_no_option(touched: Callable[[str], dict[tuple[str, str], Touch]]) -> None:
    with pytest.raises(UsageError, match="--output=x"):
        touched("--output=x")


def test_the_command_lists_them_and_says_in_json_what_differs(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = root / "impls/other_impl/chatter.py"
    monkeypatch.chdir(root)
    monkeypatch.setattr(
        list_command, "implementations", lambda: [Implementation(name="other", spec="chatter", source=source)]
    )
    run = CliRunner().invoke
    assert json.loads(run(list_command.command, ["--changed-since", "base", "--json"]).stdout) == []
    source.write_text("after")
    (record,) = json.loads(run(list_command.command, ["--changed-since", "base", "--json"]).stdout)
    assert (record["name"], record["changed"]) == ("other", "source")
    assert "other" in run(list_command.command, ["--changed-since", "base"]).stdout
    assert "changed" not in json.loads(run(list_command.command, ["--json"]).stdout)[0]


def test_the_command_reports_an_unknown_revision_in_a_sentence(root: Path) -> None:
    ended = harness("list", "--changed-since", "no-such-revision", folder=root)
    assert ended.returncode == 2
    assert ended.stderr.startswith("harness: git cannot say what has changed: ")
    assert len(lines_of(ended.stderr)) == 1
