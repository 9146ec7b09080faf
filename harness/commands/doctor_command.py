"""`harness doctor`: what this machine is, what it lacks, and the one command that installs it."""

from __future__ import annotations

import resource
import shutil
import sys
import textwrap
from collections.abc import Sequence

import click
import psutil
from tabulate import tabulate

from harness.addresses import has_ipv6
from harness.commands import options
from harness.load.engine import choose
from harness.model import Implementation
from harness.zoo import machine
from harness.zoo.build import cache_folder
from harness.zoo.discover import missing, select
from harness.zoo.toolchains import debian, needs

NO_NATIVE_CORE = ": the native one needs a C compiler and Python's headers when the harness is installed"
HEADERS = ["toolchain", "version", "what it is", "what installs it", "for"]


@click.command("doctor")
@options.servers
@click.option("--install", is_flag=True, help="Install what is missing, in one command: on Debian, as root or by sudo.")
def command(words: tuple[str, ...], everything: bool, spec: str | None, pythons: tuple[str, ...], install: bool) -> int:
    """Look at this machine and say what is missing for which server, and how to get it.

    Without names and paths: for every server. Exit status: 0, 2 wrong usage, 3 nothing can be installed here.
    """
    chosen = select(words, everything=everything or not words, spec=spec, pythons=pythons)
    if install:
        return _install(chosen)
    for name, fact in _facts().items():
        print(f"{name:10}  {fact}")
    if sys.platform != "linux":
        print("not Linux: what a server leaves behind when it daemonises may stay; some cases are unsupported")
    found = needs.survey(chosen)
    rows = [_row(one) for one in found]
    if rows:
        print(f"\n{tabulate(rows, headers=HEADERS, tablefmt='simple', disable_numparse=True)}")
    print()
    for line in _servers(chosen):
        print(textwrap.fill(line, shutil.get_terminal_size().columns, break_on_hyphens=False))
    if packages := _packages(found):
        print(f"\nall that Debian has of it: apt-get install {' '.join(packages)}")
        print("`harness doctor --install` runs that")
    return 0


def _facts() -> dict[str, str]:
    here = machine.describe()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return {
        "machine": f"{here.processor}, {here.cores} cores, {here.memory_gib:g} GiB, {here.kernel}",
        "python": f"{here.python} at {sys.executable}",
        "packages": ", ".join(f"{name} {version}" for name, version in here.packages.items()),
        "open files": f"{hard} at most" + ("" if hard >= 1200 else ": too few for a thousand clients"),
        "IPv6": "yes" if has_ipv6() else "no: cases of it are unsupported here",
        "load now": f"{psutil.cpu_percent(interval=0.5):.0f} % of the processor, by others",
        "builds": str(cache_folder()),
        "load": f"by the {choose.engine_name()} core" + ("" if choose.engine_name() == "native" else NO_NATIVE_CORE),
    }


def _row(one: needs.NeedStatus) -> list[str]:
    # Of a tool that is too old, or does not work, the reason says more than its version.
    absent = f"{one.need.description} is not here"
    state = "not here" if one.why_missing == absent else one.why_missing or one.version or "here"
    return [one.need.label, state, one.need.tool.what, one.need.install_command, ", ".join(one.servers)]


def _servers(chosen: Sequence[Implementation]) -> list[str]:
    """Return who is ready, and who is not, with what is missing."""
    lacking: dict[str, dict[str, None]] = {}  # of all specs that a name stands for
    for one in chosen:
        lacking.setdefault(one.name, {}).update(dict.fromkeys(reason for reason, _ in missing(one)))
    ready = [name for name, reasons in lacking.items() if not reasons]
    return [
        *([f"ready: {', '.join(ready)}"] if ready else []),
        *(f"not here: {name}: {'; '.join(reasons)}" for name, reasons in lacking.items() if reasons),
    ]


def _packages(found: Sequence[needs.NeedStatus]) -> list[str]:
    """Return the Debian packages that bring what is missing."""
    return sorted({package for one in found if one.why_missing for package in one.need.tool.debian})


def _install(chosen: Sequence[Implementation]) -> int:
    """Install what is missing, and say what still is."""
    packages = _packages(needs.survey(chosen))
    unknown = debian.install(packages) if packages else []
    for name in unknown:
        print(f"Debian has no package {name} here")
    needs.clear_cache()
    still = [one for one in needs.survey(chosen) if one.why_missing]
    for one in still:
        print(f"{one.why_missing}{f': {one.need.install_command}' if one.need.install_command else ''} (for {', '.join(one.servers)})")
    if not still:
        print("nothing is missing")
    return 0
