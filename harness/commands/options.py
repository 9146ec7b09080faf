"""Options that several commands share. It imports nothing that is slow: `harness list` need not wait for it."""

from __future__ import annotations

import errno
import math
import os
import random
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from harness.commands import completion
from harness.errors import UsageError
from harness.league.profiles import PROFILES

Command = Callable[..., Any]
JOBS = 2 * (os.cpu_count() or 1)
MOST_JOBS = 64  # a machine may have more processors than that
MORE_WHEN_IDLE = ", and up to twice as many while the processors are idle; 1 is always one"


class OutputPath(click.Path):
    """A path to write to, which is tried before the command does anything.

    Args:
        is_folder: whether it is a folder for files; it is created when they are written.
        allow_dash: whether "-" stands for the standard output.
    """

    def __init__(self, *, is_folder: bool = False, allow_dash: bool = False) -> None:
        super().__init__(path_type=Path, allow_dash=allow_dash)
        self._is_folder = is_folder

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path.

        Args:
            value: a path, or the word on the command line.
            param: the option, for the error.
            ctx: the context of the command.

        Raises:
            BadParameter: it cannot be written.
        """
        path = Path(value)
        if not (ctx and ctx.resilient_parsing) and not (self.allow_dash and str(path) == "-"):
            try:
                _try_folder(path) if self._is_folder else _try_file(path)
            except OSError as error:
                self.fail(f"{click.format_filename(path)} cannot be written: {error.strerror}", param, ctx)
        return path


def refuse_options(*names: str, because: str) -> None:
    """Raise UsageError if any of these options of the running command is on the command line.

    Args:
        names: the options' parameters, e.g. "for_s".
        because: when the option has a meaning, for the error.
    """
    context = click.get_current_context()
    for parameter in context.command.params:
        if parameter.name in names and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE:
            raise UsageError(f"{parameter.opts[0]} {because}")


def _try_file(path: Path) -> None:
    """Open a file for writing, and leave everything as it was; raise OSError if that fails."""
    if path.exists() and not path.is_file():
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not os.access(path, os.W_OK):  # opening a pipe could wait for its reader, and closing it is its end
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return
    is_new = not path.exists()
    with open(path, "ab"):
        pass
    if is_new:
        os.unlink(os.path.realpath(path))  # not a link to a file that did not exist


def _try_folder(path: Path) -> None:
    """Create and remove a file in a folder, or in the nearest one that exists; raise OSError if that fails."""
    for folder in (path, *path.absolute().parents):
        with suppress(FileNotFoundError):
            folder.lstat()
            break
    with tempfile.TemporaryFile(dir=folder):
        pass


FILE, FOLDER = OutputPath(), OutputPath(is_folder=True)
FILE_OR_DASH = OutputPath(allow_dash=True)


def examples(*lines: str) -> str:
    """Return the epilog of a command's help: examples, each a line, which click shall not wrap."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def servers(command: Command) -> Command:
    """NAME|PATH..., --all, --spec, --python."""
    return servers_without_python(python(command))


def servers_without_python(command: Command) -> Command:
    """NAME|PATH..., --all, --spec."""
    command = click.option(
        "--spec",
        metavar="NAME",
        shell_complete=completion.specs,
        help="Select only servers of this spec; it is also the spec assumed for a PATH.",
    )(command)
    command = click.option("--all", "everything", is_flag=True, help="Select every server.")(command)
    return click.argument("words", metavar="[NAME|PATH]...", nargs=-1, shell_complete=completion.servers_or_files)(
        command
    )


def _names(context: click.Context, option: click.Parameter, value: str) -> tuple[str, ...]:
    """Return the names of a list with commas; raise BadParameter where one is missing."""
    names = [name.strip() for name in value.split(",")] if value else []
    if not all(names):
        raise click.BadParameter(f"{value!r} is not a list of names: write ONE or ONE,ANOTHER", context, option)
    return tuple(names)


def python(command: Command) -> Command:
    """--python."""
    return click.option(
        "--python",
        "pythons",
        metavar="NAMES",
        callback=_names,
        default="",
        help="Also run the servers in Python under these interpreters, each as a server of its own, "
        "e.g. pypy3,python3.13.",
    )(command)


def cases(command: Command) -> Command:
    """-k, --smoke, -x, --jobs, --seed."""
    command = seed(jobs(more=MORE_WHEN_IDLE)(command))
    command = click.option("-x", "--exitfirst", "exit_first", is_flag=True, help="Stop at the first MUST that fails.")(
        command
    )
    command = click.option(
        "-k", "keyword", metavar="EXPRESSION", default="", help="Run only cases whose names match, as in pytest."
    )(command)
    return smoke(command)


def smoke(command: Command) -> Command:
    """--smoke."""
    return click.option(
        "--smoke", is_flag=True, help="Run only the few cases that show quickly whether a server works."
    )(command)


def seed(command: Command) -> Command:
    """--seed."""
    return click.option(
        "--seed",
        metavar="N",
        type=click.IntRange(0),
        default=lambda: random.randrange(10**6),
        show_default="random",
        help="Random seed; printed with every failure.",
    )(command)


def jobs(
    verb: str = "Run",
    what: str = "cases",
    *,
    default: int = JOBS,
    rule: str = "twice the number of cores",
    more: str = "",
) -> Callable[[Command], Command]:
    """--jobs.

    Args:
        verb: what is done, as an imperative.
        what: to what it is done.
        default: how many things are done at a time; no more than may be asked for.
        rule: how that number follows from the machine.
        more: when there are more at a time.
    """
    return click.option(
        "--jobs",
        "-j",
        metavar="N",
        type=click.IntRange(1, MOST_JOBS),
        default=min(default, MOST_JOBS),
        show_default=rule,
        help=f"{verb} this many {what} at a time{more}.",
    )


def duration(context: click.Context, option: click.Parameter, value: str | None) -> float:
    """Return a duration in seconds: a callback for options.

    Args:
        context: of the command.
        option: the option, for the error.
        value: e.g. 90s, 40m or 2h; None for infinity.

    Raises:
        BadParameter: it is not a duration.
    """
    if value is None:
        return math.inf
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", value)
    if not match:
        raise click.BadParameter(f"{value!r} is not a duration: write 90s, 40m or 2h", context, option)
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]


def measured(command: Command) -> Command:
    """--profile, --workload, --reference, --for, --within."""
    command = click.option(
        "--within",
        "within_s",
        metavar="DURATION",
        callback=duration,
        default=None,
        show_default="no limit",
        help="End after this long, e.g. 10m, and use all of it: blocks go on until all is decided or the time is up.",
    )(command)
    command = click.option(
        "--for",
        "for_s",
        metavar="DURATION",
        callback=duration,
        default="0s",
        help="Add blocks for this long, e.g. 40m, for servers that do not differ yet from their neighbours.",
    )(command)
    command = click.option(
        "--reference",
        metavar="NAME",
        default="",
        shell_complete=completion.servers,
        show_default="the first idiomatic server",
        help="Load this server twice in each block, as the first of two A/A controls that show what chance does.",
    )(command)
    command = click.option(
        "--workload",
        "workloads",
        metavar="NAMES",
        callback=_names,
        default="",
        shell_complete=completion.workloads,
        show_default="those of the profile",
        help="Run these workloads after the league, e.g. flood,paced,idle.",
    )(command)
    return click.option(
        "--profile",
        type=click.Choice(list(PROFILES)),
        default="quick",
        show_default=True,
        help="Choose how much to measure, in blocks of slices: "
        + ", ".join(f"{profile.name} {profile.blocks}" for profile in PROFILES.values())
        + "; full and smoke run the other workloads as well.",
    )(command)


def order(command: Command) -> Command:
    """--by, --weight, --wide."""
    command = click.option(
        "--wide", "is_wide", is_flag=True, help="Show all columns, the conditions and the origin of the run."
    )(command)
    command = click.option(
        "--weight",
        "weights",
        metavar="MEASURE=N,...",
        callback=_weights,
        default="",
        shell_complete=completion.weights,
        help="Order by a weighted mixture of measures, e.g. few=1,p99=2.",
    )(command)
    return click.option(
        "--by",
        metavar="MEASURE",
        default="score",
        show_default=True,
        shell_complete=completion.measures,
        help="Order by a measure: few, all, single, p99, cpu or memory; or by the score, which mixes the first three.",
    )(command)


def _weights(context: click.Context, option: click.Parameter, value: str) -> dict[str, float]:
    """Return the weights of "few=1,p99=2"; raise BadParameter where they are malformed."""
    weights = {}
    for word in filter(None, value.split(",")):
        match = re.fullmatch(r"\s*(\w+)=(\d+(?:\.\d+)?)\s*", word)
        if not match or not float(match[2]):
            raise click.BadParameter(f"{word!r} is not MEASURE=N with N above 0", context, option)
        weights[match[1]] = float(match[2])
    return weights


def reports(command: Command) -> Command:
    """--json, --junit."""
    command = click.option("--junit", metavar="FILE", type=FILE, help="Write the verdicts to FILE as JUnit XML.")(
        command
    )
    return click.option("--json", "json_file", metavar="FILE", type=FILE, help="Write the verdicts to FILE as JSON.")(
        command
    )
