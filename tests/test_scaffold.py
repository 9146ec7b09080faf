"""`harness new`: in each language of the zoo it creates a server that works, as a copy of an existing one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from harness import plugins
from harness.errors import HarnessError, UsageError
from harness.model import Implementation
from harness.toolchain import Tool
from harness.zoo import declarations, manifests, scaffold
from harness.zoo.discover import why_unavailable
from tests.zoo import harness

ROOT = Path(__file__).parent.parent
DECLARED = plugins.implementations()
FIRST = next(iter(plugins.specs()))
BUILDING_S = 900  # half a minute for some languages on an idle machine
LANGUAGES = sorted({server.language for server in DECLARED if server.spec == FIRST})
BUILT_QUICKLY = ["C", "Python"]
RICH = Implementation(
    name="rich",
    spec="broadcast",
    language="C♯",
    style="callbacks",
    category="tuned",
    summary='one line, "quoted", with \\ and üöä',
    source=Path("src/server.x"),
    build=("cc", "-o", "{build}/x", "server.x"),
    run=("{build}/x", '"'),
    needs=("command:xc>=2", "apl:one"),
    tools={
        "command:xc": Tool(what="X", version=("xc", "-V"), debian=("xc", "libx-dev")),
        "apl:*": Tool(check=("apl", "{name}"), install='get "{name}"'),
    },
    files=("lock",),
)


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    """A folder with a copy of the zoo, which the command line uses when started there."""
    shutil.copytree(
        ROOT / "impls", tmp_path / "impls", ignore=shutil.ignore_patterns("__pycache__", "target", "mine_impl")
    )
    return tmp_path


def named(language: str) -> str:
    return "my_" + language.lower().replace("+", "p").replace("#", "sharp").replace(" ", "_")


def test_a_named_server_is_copied(zoo: Path) -> None:
    ended = harness("new", "mine", "--from", "threads", "--spec", "channels", folder=zoo)
    assert "a server of channels in Python, copied from threads" in ended.stdout
    copy, original = (zoo / "impls" / f"{name}_impl" / "channels.py" for name in ("mine", "threads"))
    assert copy.read_text() == original.read_text()


@pytest.mark.parametrize(
    "language",
    [pytest.param(name, marks=() if name in BUILT_QUICKLY else pytest.mark.exhaustive) for name in LANGUAGES],
)
def test_in_each_language_a_working_server_is_created(zoo: Path, language: str) -> None:
    name = named(language)
    ended = harness("new", name, "--lang", language, folder=zoo)
    assert ended.returncode == 0, ended.stderr
    folder = zoo / "impls" / f"{name}_impl"
    assert f"impls/{folder.name}: a server of {FIRST} in {language}, copied from " in ended.stdout
    assert (folder / "README.md").read_text().startswith(f"# {name}: ")
    (listed,) = (row for row in json.loads(harness("list", "--json", folder=zoo).stdout) if row["name"] == name)
    assert listed["language"] == language
    if not listed["available"]:
        pytest.skip(f"{language} is not installed: {listed['missing']}")
    ended = harness("check", name, "--smoke", folder=zoo, seconds=BUILDING_S)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("spec", list(plugins.specs()))
def test_the_new_server_has_the_chosen_spec_and_no_files_of_another(zoo: Path, spec: str) -> None:
    ended = harness("new", "mine", "--lang", "python", "--spec", spec, folder=zoo)
    assert ended.returncode == 0, ended.stderr
    assert {path.name for path in (zoo / "impls" / "mine_impl").iterdir()} == {"README.md", "__init__.py", f"{spec}.py"}
    ended = harness("check", "mine", "-k", "ready_line", folder=zoo)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.startswith("mine ")


def test_shared_files_are_copied_and_files_of_another_server_are_not(zoo: Path) -> None:
    folder = zoo / "impls" / "both_impl"
    (folder / "shared").mkdir(parents=True)
    for name in ("one.x", "other.x", "other.lock", "shared/__init__.py", "format.toml"):
        (folder / name).touch()
    (folder / "README.md").write_text(
        "# X: two in one\n\nWords.\n\n- **One**: so.\n\n## channels\n\nThat.\n\n## why\n\nSo.\n"
    )
    (folder / "impl.toml").write_text(
        'name = "both"\nlanguage = "X"\nrun = ["x"]\n\n'
        '[[implementation]]\nspec = "broadcast"\nsource = "one.x"\n\n'
        '[[implementation]]\nspec = "channels"\nsource = "other.x"\nfiles = ["other.lock"]\n'
    )
    for spec, rest in (("broadcast", {"one.x"}), ("channels", {"other.x", "other.lock"})):
        ended = harness("new", f"my_{spec}", "--lang", "x", "--spec", spec, folder=zoo)
        assert ended.returncode == 0, ended.stderr
        folder = zoo / "impls" / f"my_{spec}_impl"
        assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == rest | {
            *("README.md", "impl.toml", "format.toml", "shared/__init__.py")
        }
        (server,) = manifests.read(folder / "impl.toml")
        assert (server.name, server.spec, server.run) == (f"my_{spec}", spec, ("x",))
    text = (zoo / "impls" / "my_channels_impl" / "README.md").read_text()
    assert text.startswith("# my_channels: two in one\n\nCopied from [both](../both_impl/README.md) by `harness new`. ")
    assert text.endswith("\n\nWords.\n\nThat.\n\n## why\n\nSo.\n")
    text = (zoo / "impls" / "my_broadcast_impl" / "README.md").read_text()
    assert text.endswith("\n\nWords.\n\n- **One**: so.\n\n## why\n\nSo.\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["mine", "--lang", "Pyhton"],
            'there is no server of broadcast in "Pyhton" to copy; did you mean Python?',
        ),
        (["mine", "--lang", "COBOL"], "; languages: Ada, C, "),
        (["mine", "--lang", "C", "--spec", "groupchat"], 'no server of groupchat in "C" to copy; '),
        (["mine", "--from", "thraeds"], 'there is no server "thraeds" of broadcast to copy; did you mean threads?'),
        (["mine"], "give either --lang LANGUAGE or --from SERVER"),
        (["mine", "--lang", "C", "--from", "threads"], "give either --lang LANGUAGE or --from SERVER"),
        (["mine", "--lang", "C", "--spec", "brodcast"], 'there is no spec "brodcast"; did you mean broadcast?'),
        (["asyncio", "--lang", "C"], 'a server "asyncio" already exists: '),
        (["My-Server", "--lang", "C"], '"My-Server" is no valid server name: use lower-case letters'),
        (["../mine", "--lang", "C"], "is no valid server name"),
    ],
)
def test_wrong_usage_is_reported_in_one_sentence_with_status_2(zoo: Path, words: Sequence[str], sentence: str) -> None:
    before = sorted(os.listdir(zoo / "impls"))
    ended = harness("new", *words, folder=zoo)
    assert ended.returncode == 2, ended.stdout
    assert sentence in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert [name for name in sorted(os.listdir(zoo / "impls")) if name != "__pycache__"] == before


def test_an_existing_folder_is_not_touched(zoo: Path) -> None:
    (zoo / "impls" / "mine_impl").mkdir()
    ended = harness("new", "mine", "--lang", "C", folder=zoo)
    assert ended.returncode == 2
    assert "impls/mine_impl already exists" in ended.stderr
    assert os.listdir(zoo / "impls" / "mine_impl") == []


def test_a_file_that_cannot_be_copied_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """shutil.copytree collects what went wrong, and its error has no `strerror`."""

    def copytree(*arguments: object, **options: object) -> None:
        raise shutil.Error([("from", "to", "[Errno 13] Permission denied: 'secret'")])

    monkeypatch.setattr(shutil, "copytree", copytree)
    monkeypatch.setattr(scaffold, "new_folder", lambda name: tmp_path / name)
    template = scaffold.template_named("asyncio", FIRST, DECLARED)
    with pytest.raises(HarnessError, match=r"mine cannot be created: .*Permission denied: 'secret'"):
        scaffold.create("mine", template, DECLARED, [FIRST])


def test_the_template_is_idiomatic_available_and_simple(monkeypatch: pytest.MonkeyPatch) -> None:
    def server(name: str, **more: object) -> Implementation:
        source = scaffold.impls_folder() / f"{name}_impl" / "server.x"
        plain = {"category": "idiomatic", "needs": (), "name": name, "source": source}
        return msgspec.structs.replace(RICH, **(plain | more))

    every = [
        server("tuned", category="tuned"),
        server("far", needs=("command:no-such-command",)),
        server("needy", needs=("command:sh",)),
        server("simple"),
        server("of_another", spec="channels"),
        msgspec.structs.replace(server("elsewhere"), source=Path("/elsewhere/a.x")),
    ]
    monkeypatch.setattr(scaffold, "code_lines", lambda server: 1)
    chosen = []
    while every[0] not in chosen:
        chosen.append(
            scaffold.template_for("c♯", "broadcast", [candidate for candidate in every if candidate not in chosen])
        )
    assert [template.name for template in chosen] == ["simple", "needy", "far", "tuned"]
    with pytest.raises(UsageError):
        scaffold.template_for("c♯", "broadcast", every[-2:])


@pytest.mark.parametrize("server", [RICH, *DECLARED], ids=lambda server: f"{server.spec}-{server.name}")
def test_a_written_declaration_reads_back_as_the_same_record(server: Implementation, tmp_path: Path) -> None:
    folder = tmp_path.resolve()
    source = Path(server.source.name) if server.source and server.source.is_absolute() else server.source
    server = msgspec.structs.replace(server, source=source)
    for name in (source, *server.files):
        if name:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).touch()
    expected = msgspec.structs.replace(server, source=folder / source if source else None)
    if server.run:
        (folder / "impl.toml").write_text(declarations.manifest(server))
        assert manifests.read(folder / "impl.toml") == [expected]
    text = declarations.hook(server)
    scope = {"__file__": str(folder / "__init__.py")}
    exec(compile(text, "hook", "exec"), scope)
    assert scope["harness_implementations"]() == [expected]  # type: ignore[operator]


def test_a_server_with_missing_tools_is_created_with_a_note(zoo: Path) -> None:
    folder = zoo / "impls" / "far_impl"
    folder.mkdir()
    (folder / "a.x").touch()
    (folder / "impl.toml").write_text(
        'name = "far"\nspec = "broadcast"\nlanguage = "X"\nsource = "a.x"\nrun = ["x"]\nneeds = ["command:no-such"]\n'
    )
    ended = harness("new", "mine", "--lang", "X", folder=zoo)
    assert ended.returncode == 0
    assert "it cannot run here yet: no-such is not installed" in ended.stdout
    assert why_unavailable(manifests.read(zoo / "impls" / "mine_impl" / "impl.toml")[0])
