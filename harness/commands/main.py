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
from types import FrameType
from typing import TYPE_CHECKING

import click

from harness import __version__
from harness.errors import HarnessError, nearest
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
    # A shell that starts this process in the background has SIGINT ignored, and all the others end as it does.
    reset_signals()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        status = _run()
    except HarnessError as error:
        _print_error(str(error))
        status = error.exit_status
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "")
        status = 2
    except click.ClickException as error:
        _print_error(error.format_message())
        status = 2
    except (KeyboardInterrupt, click.Abort):
        _print_error("ended by a signal; every server has been ended, and finished measurements are kept")
        status = 128 + signal.SIGINT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader has left: nothing to report
        status = 0
    sys.exit(128 + TERMINATED[0] if TERMINATED else status or 0)


def _run() -> int | None:
    """Run the command; of a group of errors raise the first, which caused the others."""
    try:
        status: int | None = harness.main(prog_name="harness", standalone_mode=False)
        return status
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from group


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Every signal ends the command in the same way: as Ctrl-C does.
    TERMINATED.append(number)
    signal.raise_signal(signal.SIGINT)


def _print_error(sentence: str) -> None:
    print(f"harness: {sentence}", file=sys.stderr)
