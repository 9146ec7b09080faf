"""`harness`: finds the command, and sees to it that every end is an orderly one.

A command raises HarnessError for what is told in a sentence; its exit status is the error's. Ctrl-C and SIGTERM
cancel what runs, which ends all servers.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from types import FrameType

import click

from harness import __version__
from harness.errors import HarnessError, nearest

COMMANDS = (
    "bench",
    "build",
    "chat",
    "check",
    "compare",
    "diff",
    "doctor",
    "explain",
    "judge",
    "list",
    "new",
    "report",
    "run",
    "selftest",
    "serve",
)
TERMINATED: list[int] = []


class Lazy(click.Group):
    """Loads a command's module when it is asked for: `harness list` need not wait for pytest."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            raise click.UsageError(f'there is no command "{cmd_name}"{nearest(cmd_name, COMMANDS)}')
        command = importlib.import_module(f"harness.commands.{cmd_name}_command").command
        assert isinstance(command, click.Command)
        return command


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="harness")
def harness() -> None:
    """Tells which chat servers are right and which are fast."""


def main() -> None:
    """Run the command line; exit with its status."""
    # A shell that starts us in the background has SIGINT ignored, and all the others end as it does.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        status = _run()
    except HarnessError as error:
        _say(str(error))
        status = error.exit_status
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "")
        status = 2
    except click.ClickException as error:
        _say(error.format_message())
        status = 2
    except (KeyboardInterrupt, click.Abort):
        _say("ended by a signal; every server has been ended, and what was measured is kept")
        status = 128 + signal.SIGINT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whoever read us has left; nothing to tell
        status = 0
    sys.exit(128 + TERMINATED[0] if TERMINATED else status or 0)


def _run() -> int | None:
    """Run the command; of a group of errors raise the first, which is what the others followed from."""
    try:
        status: int | None = harness.main(standalone_mode=False)
        return status
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from group


def _end(number: int, frame: FrameType | None) -> None:
    # One way to end: what Ctrl-C does, whichever signal it was.
    TERMINATED.append(number)
    signal.raise_signal(signal.SIGINT)


def _say(sentence: str) -> None:
    print(f"harness: {sentence}", file=sys.stderr)
