"""`harness doctor`: what this machine is, what it lacks, and the one command that installs it."""

from __future__ import annotations

import resource
import shutil
import sys
import textwrap
from collections.abc import Sequence

import click
import psutil

from harness import plugins
from harness.addresses import has_ipv6
from harness.commands import options
from harness.commands.tables import fitted, left_over, widest
from harness.load.engine import choose
from harness.model import Implementation
from harness.processes import sandbox
from harness.processes.limits import read_limits
from harness.zoo import cache, machine
from harness.zoo.discover import missing_needs, select
from harness.zoo.toolchains import debian, needs

NO_NATIVE_ENGINE = "; the native one needs a C compiler and Python's headers when the harness is installed"
INSTALLED = ["installed", "version", "what it is", "for"]
MISSING = ["missing", "what it is", "what installs it", "for"]
# Largest widths in the table of what is missing, in characters; what installs it takes what they leave.
LIMITS = {0: 16, 1: 20, 3: 12}
LABEL = 12  # width of the names of facts


@click.command(
    "doctor",
    epilog=options.examples(
        "harness doctor", "harness doctor --install go rust", "harness doctor --all --spec channels"
    ),
)
@options.servers
@click.option(
    "--install", is_flag=True, help="Install what is missing, with one apt-get command (Debian; as root or with sudo)."
)
def command(words: tuple[str, ...], everything: bool, spec: str | None, pythons: tuple[str, ...], install: bool) -> int:
    """Show what this machine lacks, and install it.

    Lists the toolchains of the servers, with versions, and what installs the missing ones. Without NAME or PATH: of
    all servers. NAME can also be a product that stands beside the league: redis, nats or mosquitto.

    Exit status: 0, 2 wrong usage, 3 nothing can be installed here.
    """
    products = {name: reference.implementation for name, reference in plugins.references().items()}
    servers = [word for word in words if word not in products]
    chosen = [products[word] for word in words if word in products]
    if servers or everything or not words:
        chosen += select(servers, everything=everything or not words, spec=spec, pythons=pythons)
    if install:
        return _install(chosen)
    width = shutil.get_terminal_size().columns
    for name, fact in _facts().items():
        print(_wrap(fact, width, f"{name:{LABEL}}"))
    if sys.platform != "linux":
        print(_wrap("not Linux: some cases are unsupported, and daemons of servers may stay behind", width))
    statuses = needs.survey(chosen)
    for table in _tables(statuses, width):
        print(f"\n{table}")
    print()
    for line in _servers(chosen, width):
        print(line)
    if packages := _packages(statuses):
        print("\nTo install what Debian has of this, run `harness doctor --install`, or:\n")
        print(_shell_lines(["apt-get", "install", *packages], width))
    return 0


def _wrap(text: str, width: int, label: str = "") -> str:
    """Return a text in lines, after a label that the other lines leave blank."""
    return textwrap.fill(text, width, initial_indent=label, subsequent_indent=" " * len(label), break_on_hyphens=False)


def _facts() -> dict[str, str]:
    described = machine.describe()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    engine = choose.engine_name()
    return {
        "machine": f"{described.processor}, {described.cores} cores, {described.memory_gib:g} GiB, {described.kernel}",
        "python": f"{described.python} at {sys.executable}",
        "packages": ", ".join(f"{name} {version}" for name, version in described.packages.items()),
        "open files": f"{hard} at most" + ("" if hard >= 1200 else ": too few for a thousand clients"),
        "allowed": str(read_limits()) or "no limit of tasks, memory or processor time",
        "IPv6": "yes" if has_ipv6() else "no: its cases are unsupported here",
        "load now": f"{psutil.cpu_percent(interval=0.5):.0f} % of the processor, by other processes",
        "builds": _builds(),
        "sandbox": sandbox.why_impossible() or f"{sandbox.BWRAP}, for the servers of strangers",
        "engine": f"{engine}" + ("" if engine == "native" else NO_NATIVE_ENGINE),
    }


def _builds() -> str:
    try:
        return str(cache.builds())
    except cache.NoCache as error:
        return str(error)


def _tables(statuses: Sequence[needs.NeedStatus], width: int) -> list[str]:
    """Return the tables of what is installed and of what is missing, no wider than the terminal."""
    installed = [
        [status.need.label, status.version, status.need.tool.what, ", ".join(status.servers)]
        for status in statuses
        if not status.why_missing
    ]
    missing = [
        [status.need.label, _what(status), status.need.install_command, ", ".join(status.servers)]
        for status in statuses
        if status.why_missing
    ]
    return [
        *([_fit(INSTALLED, installed, width, {}, wrapped=3)] if installed else []),
        *([_fit(MISSING, missing, width, LIMITS, wrapped=2)] if missing else []),
    ]


def _fit(headers: list[str], rows: list[list[str]], width: int, limits: dict[int, int], *, wrapped: int) -> str:
    """Return a table.

    Args:
        headers: the names of its columns.
        rows: its cells.
        width: of the terminal, in characters.
        limits: column → its largest width.
        wrapped: the column that takes what the others leave.
    """
    widths = [min(each, limits.get(column, width)) for column, each in enumerate(widest(headers, rows))]
    others = [each for column, each in enumerate(widths) if column != wrapped]
    widths[wrapped] = max(left_over(width, others), LABEL)
    return fitted(headers, rows, widths)


def _what(status: needs.NeedStatus) -> str:
    """Return what a missing tool is; of one that is too old or does not work, the reason too."""
    what, reason = status.need.tool.what, status.why_missing
    if reason == status.need.not_installed:
        return what
    return reason if what in reason else f"{what}: {reason}"


def _servers(chosen: Sequence[Implementation], width: int) -> list[str]:
    """Return lines about the servers: which can run here, and what the others lack."""
    lacking: dict[str, dict[str, None]] = {}  # for all specs that a server serves
    for server in chosen:
        lacking.setdefault(server.name, {}).update(dict.fromkeys(need.label for need in missing_needs(server)))
    ready = [name for name, labels in lacking.items() if not labels]
    others = {name: ", ".join(labels) for name, labels in lacking.items() if labels}
    column = max(map(len, others), default=0) + 2
    return [
        *([_wrap(", ".join(ready), width, "can run here: ")] if ready else []),
        *(["cannot run here, because they lack:"] if others else []),
        *(_wrap(labels, width, f"  {name:{column}}") for name, labels in others.items()),
    ]


def _shell_lines(words: Sequence[str], width: int) -> str:
    """Return a command for a shell, in lines."""
    lines = textwrap.wrap(
        " ".join(words), max(width - 2, 8), initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False
    )
    return " \\\n".join(lines)


def _packages(statuses: Sequence[needs.NeedStatus]) -> list[str]:
    """Return the Debian packages that bring what is missing."""
    return sorted({package for status in statuses if status.why_missing for package in status.need.tool.debian})


def _install(chosen: Sequence[Implementation]) -> int:
    """Install what is missing, and print what still is."""
    packages = _packages(needs.survey(chosen))
    unknown = debian.install(packages) if packages else []
    for name in unknown:
        print(f"Debian has no package {name} here")
    needs.clear_cache()
    still_missing = [status for status in needs.survey(chosen) if status.why_missing]
    for status in still_missing:
        install = f": {status.need.install_command}" if status.need.install_command else ""
        print(f"{status.why_missing}{install} (for {', '.join(status.servers)})")
    if not still_missing:
        print("nothing is missing")
    return 0
