"""Manifests: what they declare; an error is reported with file and line, and status 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import LaunchError, UsageError
from harness.model import Implementation
from harness.toolchain import Tool
from harness.zoo import build, manifests
from harness.zoo.discover import select
from harness.zoo.toolchains import needs
from tests.zoo import harness

GOOD = """\
name = "mine"
spec = "broadcast"
language = "C"
style = "readiness loop"
class = "tuned"
summary = "a test"
source = "server.c"
build = ["cc", "-o", "{build}/server", "server.c"]
run = ["{build}/server"]
needs = ["command:cc"]
"""


SEVERAL = """\
name = "mine"
language = "C"
source = "server.c"
needs = ["command:cc"]

[[implementation]]
spec = "broadcast"
run = ["{build}/one"]

[[implementation]]
spec = "other"
run = ["{build}/other"]
needs = []
"""


def write(folder: Path, text: str) -> Path:
    (folder / "server.c").write_text("int main(void) { return 0; }\n")
    path = folder / "impl.toml"
    path.write_text(text)
    return path


def test_a_manifest_becomes_a_record(tmp_path: Path) -> None:
    (server,) = manifests.read(write(tmp_path, GOOD))
    assert server == Implementation(
        name="mine",
        spec="broadcast",
        language="C",
        style="readiness loop",
        category="tuned",
        summary="a test",
        source=tmp_path / "server.c",
        run=("{build}/server",),
        build=("cc", "-o", "{build}/server", "server.c"),
        needs=("command:cc",),
    )


def test_a_manifest_may_declare_several_servers_and_their_shared_fields(tmp_path: Path) -> None:
    first, second = manifests.read(write(tmp_path, SEVERAL))
    assert (first.name, first.spec, first.run, first.needs) == (
        "mine",
        "broadcast",
        ("{build}/one",),
        ("command:cc",),
    )
    assert (second.name, second.spec, second.run, second.needs) == ("mine", "other", ("{build}/other",), ())
    assert first.source == second.source == tmp_path / "server.c"


def test_a_manifest_declares_its_tools(tmp_path: Path) -> None:
    text = GOOD.replace('"command:cc"', '"command:cc", "apl:one"') + (
        'files = ["server.c"]\n\n[tools."apl:*"]\nhere = ["apl", "{name}"]\ndebian = ["apl-{name}"]\n'
    )
    (server,) = manifests.read(write(tmp_path, text))
    assert server.tools == {"apl:*": Tool(check=("apl", "{name}"), debian=("apl-{name}",))}
    assert server.files == ("server.c",)
    _, apl = needs.parse(server)
    assert (apl.tool.check, apl.install_command) == (("apl", "one"), "apt-get install apl-one")


def test_a_folder_selects_its_servers_of_the_given_spec(tmp_path: Path) -> None:
    path = write(tmp_path, SEVERAL)
    for argument in (path, tmp_path):
        assert [server.spec for server in select([f"{argument}"], everything=False, spec="broadcast")] == ["broadcast"]
    path.write_text(GOOD.replace("broadcast", "other", 1))
    with pytest.raises(UsageError, match=r"impl\.toml declares no server of broadcast"):
        select([f"{tmp_path}"], everything=False, spec="broadcast")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD.replace("style", "stlye"), 'impl.toml, line 4: unknown key "stlye"; did you mean style?'),
        (GOOD.replace('"tuned"', '"fast"'), 'impl.toml, line 5: class "fast" is none of idiomatic, tuned, engine'),
        (
            GOOD.replace("readiness loop", "readines loop"),
            'impl.toml, line 4: there is no style "readines loop"; did you mean',
        ),
        (
            GOOD.replace("readiness loop", "xyz"),
            'impl.toml, line 4: there is no style "xyz"; known: thread per connection, ',
        ),
        (GOOD.replace('"server.c"\n', '"nothing.c"\n', 1), "impl.toml, line 7: there is no file"),
        (GOOD.replace('run = ["{build}/server"]\n', ""), 'the key "run" is missing'),
        (GOOD.replace('["{build}/server"]', '"server"'), "impl.toml, line 9: Expected `array`"),
        (GOOD.replace('"C"', '"C'), "impl.toml, line 3: not TOML"),
        ("[implementation]\n" + GOOD, "impl.toml, line 1: each server must be a table [[implementation]]"),
        (SEVERAL.replace("mplementation", "mplementations"), 'line 6: unknown key "implementations"; did you mean'),
        (SEVERAL.replace("language", "langauge"), 'line 2: unknown key "langauge"; did you mean language?'),
        (SEVERAL.replace('run = ["{build}/other"]', 'rum = "x"'), 'line 12: unknown key "rum"; did you mean run?'),
        (SEVERAL.replace('run = ["{build}/other"]', "run = 1"), "line 12: Expected `array`"),
        (SEVERAL.replace('spec = "other"\n', ""), 'line 10: the key "spec" is missing or empty'),
        (SEVERAL.replace("server.c", "nothing.c"), "line 3: there is no file"),
        (GOOD.replace('"command:cc"', '"cc"'), 'line 10: implementation "mine" needs "cc", which is not written'),
        (GOOD + 'files = ["lock"]\n', "line 11: there is no file"),
        (GOOD + 'python = "pypy3"\n', 'line 11: unknown key "python"'),
        (
            GOOD + '[tools."command:cc"]\nwhat = "C"\ndebain = ["gcc"]\n',
            "line 11: Object contains unknown field `debain`",
        ),
        (SEVERAL + '[implementation.tools."command:cc"]\nhere = "cc"\n', "line 14: Expected `array`"),
        (GOOD + 'files = [".."]\n', "is not in the server's folder"),
        (GOOD.replace("mine", "x/../../y"), "line 1: the name 'x/../../y' has"),
        (GOOD.replace("mine", "\\u001b]0;x\\u0007"), r"line 1: the name '\x1b]0;x\x07' has"),
        (GOOD.replace("mine", "m" * 101), "line 1: the name has more than 100 characters"),
        (GOOD.replace('{build}/server"]\nneeds', 'a\\u0000b"]\nneeds'), "line 9: a string has the character U+0000"),
        (GOOD + f"more = {'1' * 5000}\n", "impl.toml: not TOML: "),
        (GOOD + f"more = {'[' * 5000}\n", "not TOML: "),
    ],
)
def test_an_error_is_reported_with_file_and_line(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UsageError) as raised:
        manifests.read(path)
    assert words in str(raised.value)
    ended = harness("check", path, folder=tmp_path)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_server_is_built_once_per_state_of_its_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "mine"
    folder.mkdir()
    (server,) = manifests.read(write(folder, GOOD))
    (program,) = build.command(server)
    first = Path(program).stat().st_mtime_ns
    assert build.command(server) == (program,)
    assert Path(program).stat().st_mtime_ns == first
    (folder / "target").mkdir()
    (folder / "target" / "byproduct").touch()
    assert build.command(server) == (program,)
    (folder / "server.c").write_text("int main(void) { return 1; }\n")
    assert build.command(server) != (program,)
    assert Path(program).exists(), "another checkout may be using the build of the older sources"


def test_a_failed_build_is_reported_with_the_compilers_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (server,) = manifests.read(write(tmp_path, GOOD))
    (tmp_path / "server.c").write_text("int main(void) { return nonsense; }\n")
    with pytest.raises(LaunchError, match=r"(?s)cannot be built: cc exited with status 1.*nonsense"):
        build.command(server)
    assert list((tmp_path / "cache" / "zillions" / "builds").iterdir()) == []
