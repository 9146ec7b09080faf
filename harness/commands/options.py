"""Options that several commands share."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from harness.conformance.pool import JOBS
from harness.league.plan import PROFILES

Command = Callable[..., Any]
FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


def servers(command: Command) -> Command:
    """NAME|PATH..., --all, --spec, --python."""
    return python(only_servers(command))


def only_servers(command: Command) -> Command:
    """NAME|PATH..., --all, --spec."""
    command = click.option("--spec", metavar="NAME", help="Only servers of this spec; what a path is taken for.")(
        command
    )
    command = click.option("--all", "everything", is_flag=True, help="Every server there is.")(command)
    return click.argument("words", metavar="[NAME|PATH]...", nargs=-1)(command)


def _names(context: click.Context, option: click.Parameter, said: str) -> tuple[str, ...]:
    """Return the names of a list with commas; raise BadParameter where one is missing."""
    names = [name.strip() for name in said.split(",")] if said else []
    if not all(names):
        raise click.BadParameter(f"{said!r} is no list of names: say ONE or ONE,ANOTHER", context, option)
    return tuple(names)


def python(command: Command) -> Command:
    """--python."""
    return click.option(
        "--python",
        "pythons",
        metavar="NAMES",
        callback=_names,
        default="",
        help="Run those in Python under other interpreters as well, e.g. pypy3,python3.13: entries of their own.",
    )(command)


def cases(command: Command) -> Command:
    """-k, --smoke, -x, --jobs."""
    command = seed(jobs()(command))
    command = click.option("-x", "--exitfirst", "exit_first", is_flag=True, help="Stop at the first MUST that fails.")(
        command
    )
    command = click.option(
        "-k", "keyword", metavar="EXPRESSION", default="", help="Only cases whose names match, as in pytest."
    )(command)
    return click.option("--smoke", is_flag=True, help="Only the few cases that tell quickly.")(command)


def seed(command: Command) -> Command:
    """--seed."""
    return click.option(
        "--seed",
        metavar="N",
        type=click.IntRange(0),
        default=lambda: random.randrange(10**6),
        show_default="a new one",
        help="Of what is random in the cases; a failure tells its seed.",
    )(command)


def jobs(default: int = JOBS, what: str = "Cases") -> Callable[[Command], Command]:
    """--jobs.

    Args:
        what: is done so many at a time.
    """
    return click.option(
        "--jobs",
        "-j",
        metavar="N",
        type=click.IntRange(1, 64),
        default=default,
        show_default=True,
        help=f"{what} at a time.",
    )


def _seconds(context: click.Context, option: click.Parameter, said: str | None) -> float:
    """Return a duration as 90s, 40m or 2h in seconds, without one no end; raise BadParameter for anything else."""
    if said is None:
        return math.inf
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", said)
    if not found:
        raise click.BadParameter(f"{said!r} is no duration: say 90s, 40m or 2h", context, option)
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


def measured(command: Command) -> Command:
    """--profile, --workload, --reference, --for, --within."""
    command = click.option(
        "--within",
        "within_s",
        metavar="DURATION",
        callback=_seconds,
        default=None,
        show_default="no end",
        help="End after so long, e.g. 10m, with the blocks that fit: first those of the load that ranks follow from.",
    )(command)
    command = click.option(
        "--for",
        "for_s",
        metavar="DURATION",
        callback=_seconds,
        default="0s",
        help="When that is left after the planned blocks, e.g. of 40m: more blocks for neighbours not yet told apart.",
    )(command)
    command = click.option(
        "--reference",
        metavar="NAME",
        default="",
        help="The server that is loaded twice in each block, to show what chance does; else the first idiomatic one.",
    )(command)
    command = click.option(
        "--workload",
        "workloads",
        metavar="NAMES",
        callback=_names,
        default="",
        help="Only these loads, e.g. flood_10,idle, and always flood, from which the ranks follow; else all.",
    )(command)
    return click.option(
        "--profile",
        type=click.Choice(list(PROFILES)),
        default="quick",
        show_default=True,
        help="How much is measured.",
    )(command)


def reports(command: Command) -> Command:
    """--json, --junit."""
    command = click.option("--junit", metavar="FILE", type=FILE, help="Write the verdicts as JUnit XML.")(command)
    return click.option("--json", "json_file", metavar="FILE", type=FILE, help="Write the verdicts as JSON.")(command)
