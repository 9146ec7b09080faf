"""`harness doctor`: what each toolchain is, where it comes from, and how what is missing is installed on Debian."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import pytest

from harness.commands.doctor_command import command as doctor
from harness.errors import HarnessError
from harness.zoo.toolchains import debian, needs
from tests.test_toolchain import script

MANIFEST = """\
name = "far"
spec = "broadcast"
run = ["far"]
needs = ["command:farc", "command:farm>=2", "library:libfar", "command:sh", "python:no_such_module"]

[tools."command:farc"]
what = "Far compiler"
debian = ["farc", "far-common"]

[tools."command:farm"]
what = "Far machine"
debian = ["farm", "far-common"]

[tools."library:libfar"]
debian = ["libfar-dev"]
here = ["test", "-e", "/no/such/libfar"]
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Debian with two commands of ours, where nothing is installed and everything that is done is noted."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"ID": "mine", "ID_LIKE": "ubuntu debian"})
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "impl.toml").write_text(MANIFEST)
    script(folder / "apt-get", f'echo "$*" >> {tmp_path}/apt.log')
    script(folder / "apt-cache", 'for one; do [ "$one" = libfar-dev ] || echo "Package: $one"; done')
    script(folder / "farm", "echo Far machine 1.9")
    needs.clear_cache()
    return folder


def run(*words: str) -> object:
    return doctor.main(["./impl.toml", *words], standalone_mode=False)


def done(machine: Path) -> list[str]:
    log = machine.parent / "apt.log"
    return log.read_text().splitlines() if log.exists() else []


def test_it_tells_what_each_is_whether_it_is_here_and_what_installs_it(
    machine: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run() == 0
    said = capfd.readouterr().out
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in said.splitlines() if line}
    assert lines["sh"].endswith("far")
    assert lines["farc"] == "Far compiler apt-get install farc far-common far"
    assert lines["farm"].startswith("Far machine: farm is apt-get install farm far-common far")
    assert "1.9, but 2 or newer" in said
    assert lines["no_such_module"] == "Python package pip install no_such_module far"
    assert lines["far"] == "farc, farm, library libfar, no_such_module"
    assert "run `harness doctor --install`, or:\n\n  apt-get install far-common farc farm libfar-dev\n" in said
    assert done(machine) == []


def test_all_that_is_missing_is_installed_in_one_command(machine: Path, capfd: pytest.CaptureFixture[str]) -> None:
    script(
        machine / "apt-get",
        f'echo "$*" >> {machine.parent}/apt.log\n'
        f'[ "$1" = update ] || {{ ln -s /bin/sh {machine}/farc; echo "echo Far machine 2.0" >> {machine}/farm; }}',
    )
    script(machine / "farm", "")
    assert run("--install") == 0
    assert done(machine) == ["update -qq", "install --yes -qq --no-install-recommends far-common farc farm"]
    said = capfd.readouterr().out
    assert said.partition("Debian has no package ")[2].splitlines() == [
        "libfar-dev here",
        "C library libfar is not installed: apt-get install libfar-dev (for far)",
        "Python package no_such_module is not installed: pip install no_such_module (for far)",
    ]


def test_old_lists_of_packages_may_do(machine: Path) -> None:
    script(machine / "apt-get", f'echo "$*" >> {machine.parent}/apt.log; [ "$1" != update ]')
    assert run("--install") == 0
    assert len(done(machine)) == 2


def test_an_apt_get_that_fails_is_told(machine: Path) -> None:
    script(machine / "apt-get", "exit 100")
    with pytest.raises(HarnessError, match="failed with status 100"):
        run("--install")


def test_who_is_not_root_installs_by_sudo(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    script(machine / "sudo", f'echo "sudo $*" >> {machine.parent}/apt.log')
    assert run("--install") == 0
    update, install = done(machine)
    assert update == "sudo apt-get update -qq"
    assert install.startswith("sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install --yes ")
    assert install.endswith(" far-common farc farm")


def test_without_root_and_sudo_it_says_what_root_would_do(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", f"{machine}{os.pathsep}{Path(sys.executable).parent}")
    with pytest.raises(HarnessError, match=r"as root, run: apt-get install far-common farc farm libfar-dev"):
        run("--install")
    assert done(machine) == []


@pytest.mark.parametrize("release", [{"ID": "fedora"}, {"ID": "alpine", "ID_LIKE": ""}, None])
def test_where_it_is_not_debian_it_says_so(
    machine: Path, monkeypatch: pytest.MonkeyPatch, release: dict[str, str] | None
) -> None:
    def about() -> dict[str, str]:
        if release is None:
            raise OSError("no such file")
        return release

    monkeypatch.setattr(platform, "freedesktop_os_release", about)
    assert not debian.is_debian()
    with pytest.raises(HarnessError, match="this is not Debian") as told:
        run("--install")
    assert told.value.exit_status == 3
    assert done(machine) == []


def test_where_nothing_is_missing_nothing_is_installed(machine: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (machine.parent / "impl.toml").write_text(
        'name = "near"\nspec = "broadcast"\nrun = ["x"]\nneeds = ["command:sh"]\n'
    )
    assert run("--install") == 0
    assert capfd.readouterr().out == "nothing is missing\n"
    assert done(machine) == []
