"""A server as it was at a git revision."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.model import Implementation
from harness.zoo.revisions import at_revision, split

AUTHOR = ("-c", "user.name=a", "-c", "user.email=a@example.org")


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *AUTHOR, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def server(tmp_path: Path) -> Implementation:
    """A server in a repository with two commits: `old`, and one with another text."""
    folder = tmp_path / "repository" / "impls" / "mine_impl"
    folder.mkdir(parents=True)
    git(tmp_path / "repository", "init")
    for text, tag in (("before", "old"), ("after", "new")):
        (folder / "broadcast.py").write_text(text)
        git(folder, "add", ".")
        git(folder, "commit", "-m", text)
        git(folder, "tag", tag)
    return Implementation(name="mine", spec="broadcast", source=folder / "broadcast.py")


def test_a_word_with_an_at_sign_names_a_revision() -> None:
    assert split("asyncio@main~2") == ("asyncio", "main~2")
    assert split("asyncio") == ("asyncio", "")


def test_the_source_is_that_of_the_revision(server: Implementation, tmp_path: Path) -> None:
    old = at_revision(server, "old", tmp_path / "extracted")
    assert old.name == "mine@old"
    assert old.source is not None
    assert old.source.read_text() == "before"
    assert server.source is not None
    assert server.source.read_text() == "after"


def test_the_manifest_is_that_of_the_revision(server: Implementation, tmp_path: Path) -> None:
    assert server.source is not None
    manifest = 'name = "mine"\nspec = "broadcast"\nlanguage = "X"\nsource = "broadcast.py"\nrun = ["{}"]\n'
    for word in ("first", "second"):
        (server.source.parent / "impl.toml").write_text(manifest.format(word))
        git(server.source.parent, "add", ".")
        git(server.source.parent, "commit", "-m", word)
    assert at_revision(server, "HEAD~1", tmp_path / "extracted").run == ("first",)


def test_what_git_does_not_have_is_one_sentence(server: Implementation, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"mine@no-such-branch cannot be had from git: .*no-such-branch"):
        at_revision(server, "no-such-branch", tmp_path / "extracted")
    with pytest.raises(UsageError, match="has no source that git could know"):
        at_revision(Implementation(name="path", spec="broadcast", run=("x",)), "old", tmp_path / "extracted")
