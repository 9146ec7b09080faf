"""`harness`: finds the command, and turns every ending into one sentence and an exit status.

A command raises HarnessError for what the user must know; its exit status is the error's. Ctrl-C and SIGTERM cancel
what runs, which ends all servers. A command's module is imported only when that command runs or completes: the list of
commands, in `harness --help` and in a shell's completion, comes from the table in this file.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from types import FrameType
from typing import TYPE_CHECKING

import click

from harness import __version__
from harness.commands import standard_streams
from harness.errors import OF_THE_MACHINE, HarnessError, ReaderLeft, first_of, nearest
from harness.processes.signals import reset_signals

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# For each group the commands in the order of `harness --help`, with the first line of their own help.
GROUPS = {
    "Try servers": {
        "check": "Check whether servers do what their spec says.",
        "run": "Check servers, load those that pass, and rank them.",
        "bench": "Load servers without checking them first, and rank them.",
        "serve": "Run one server in the foreground.",
        "chat": "Talk to a server by hand, from a script, or as a swarm.",
    },
    "Read": {
        "list": "List all servers, and whether they can run here.",
        "explain": "Explain a requirement or a case.",
        "diff": "Show how the sources of two servers differ.",
        "report": "Show a run again, in any format.",
        "compare": "Compare two runs, two servers of one run, or two servers live.",
        "history": "Show a server over all runs, and what was new where it changed.",
        "judge": "Decide whether a recorded history is lawful.",
    },
    "Write": {
        "new": "Create a server from one that works.",
        "build": "Build servers before they are needed.",
        "doctor": "Show what this machine lacks, and install it.",
        "selftest": "Test the cases on servers whose faults are known.",
    },
}
SUMMARIES = {name: summary for commands in GROUPS.values() for name, summary in commands.items()}
# Signals that end a process unless it handles them. A launcher that ignores one wants this process not to end by it:
# nohup(1) does that with SIGHUP.
ENDING = [
    *(signal.SIGHUP, signal.SIGALRM, signal.SIGUSR1, signal.SIGUSR2),
    *(signal.SIGVTALRM, signal.SIGPROF, signal.SIGXCPU),
]
TERMINATED: list[int] = []


class LazyGroup(click.Group):
    """Imports a command's module when it is needed: `harness --help` need not wait for pytest."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order of the help."""
        return list(SUMMARIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command; None when there is none of that name."""
        if cmd_name not in SUMMARIES:
            return None
        command = importlib.import_module(f"harness.commands.{cmd_name}_command").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the name, the command and its arguments; raise click.UsageError with the nearest known name."""
        if args[0] not in SUMMARIES and not ctx.resilient_parsing:
            raise click.UsageError(f'there is no command "{args[0]}"{nearest(args[0], SUMMARIES)}')
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands in their groups, without importing them."""
        column = max(map(len, SUMMARIES))
        for title, commands in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(column), summary) for name, summary in commands.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands and options that begin with a word, without importing the commands."""
        from click.shell_completion import CompletionItem

        commands = [
            CompletionItem(name, help=summary) for name, summary in SUMMARIES.items() if name.startswith(incomplete)
        ]
        return commands + click.Command.shell_complete(self, ctx, incomplete)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`harness COMMAND --help` has examples. docs/cli.md describes all commands and shell completion.",
)
@click.version_option(__version__, prog_name="harness")
def harness() -> None:
    """Check chat servers against their specs, and measure how fast they are."""


def main() -> None:
    """Run the command line; exit with its status."""
    if os.environ.pop("PYTHONINSPECT", "") and sys.flags.inspect:
        # Python has read it already, and would show a prompt at the end, whatever the status: so it starts again.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    standard_streams.prepare()
    ignored = reset_signals()
    # A shell that starts this process in the background has SIGINT ignored, and all the others end as it does.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN if number in ignored else _interrupt)
    status = _status()
    try:
        lost = standard_streams.why_lost()
    except (ReaderLeft, KeyboardInterrupt):
        lost = ""
    if lost:
        standard_streams.print_error(f"standard output could not be written: {lost}")
        status = HarnessError.exit_status
    sys.exit(128 + TERMINATED[0] if TERMINATED else status)


def _status() -> int:
    """Run the command, report an error, and return the exit status."""
    try:
        return _run() or 0
    except ReaderLeft as error:
        return error.exit_status
    except HarnessError as error:
        standard_streams.print_error(str(error))
        return error.exit_status
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "")
        return 2
    except click.ClickException as error:
        standard_streams.print_error(error.format_message())
        return 2
    except (KeyboardInterrupt, click.Abort):
        standard_streams.print_error(
            "ended by a signal; every server has been ended, and finished measurements are kept"
        )
        return 128 + signal.SIGINT
    except OSError as error:
        if not (reason := _why_refused(error)):
            return _report_fault()
        standard_streams.print_error(reason)
        return HarnessError.exit_status
    except Exception:
        return _report_fault()


def _why_refused(error: OSError) -> str:
    """Return what the system has refused, as a sentence; "" where that can only be a fault of the harness."""
    if error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    if error.errno in OF_THE_MACHINE:
        return f"this machine refuses what the harness needs: {error.strerror}"
    from harness.processes.proc import require_current_folder  # not at every start

    try:
        require_current_folder()
    except HarnessError as gone:
        return str(gone)
    return ""


def _report_fault() -> int:
    # Not Python's own status for a traceback, which is 1: that would blame a server.
    traceback.print_exc()
    standard_streams.print_error("this is a fault of the harness itself, and no verdict on a server")
    return HarnessError.exit_status


def _run() -> int | None:
    """Run the command; of a group of errors raise the first, which caused the others."""
    try:
        status: int | None = harness.main(prog_name="harness", standalone_mode=False)
        return status
    except BaseExceptionGroup as group:
        raise first_of(group) from group


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Every signal ends the command in the same way: as Ctrl-C does.
    TERMINATED.append(number)
    signal.raise_signal(signal.SIGINT)
