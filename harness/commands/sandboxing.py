"""Decides whether the servers of a command run in a sandbox, and says so where they should and cannot."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import click

from harness import plugins
from harness.commands.standard_streams import print_error
from harness.errors import HarnessError
from harness.model import Implementation
from harness.processes import sandbox

SETTINGS = ("auto", "on", "off")


def option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--sandbox."""
    return click.option(
        "--sandbox",
        "sandbox_setting",
        metavar="WHEN",
        type=click.Choice(SETTINGS),
        default="auto",
        show_default=True,
        envvar=sandbox.VARIABLE,
        show_envvar=True,
        help="Run servers and builds in a sandbox: on, off, or auto, which is on for a PATH if there can be one.",
    )(command)


def decide(setting: str, servers: Sequence[Implementation]) -> None:
    """Decide for all servers of a command, so that their figures can be compared; workers inherit the decision.

    Args:
        setting: the value of `--sandbox`.
        servers: those that were selected.

    Raises:
        HarnessError: the setting is "on", and there is no sandbox here.
    """
    known = {server.source.resolve() for server in plugins.implementations() if server.source}
    strangers = [server.name for server in servers if not server.source or server.source.resolve() not in known]
    reason = sandbox.why_impossible() if setting == "on" or (setting == "auto" and strangers) else ""
    if reason and setting == "on":
        raise HarnessError(f"there is no sandbox here: {reason}")
    if reason:
        print_error(f"{', '.join(strangers)} without a sandbox: {reason}")
    is_used = not reason and (setting == "on" or (setting == "auto" and bool(strangers)))
    os.environ[sandbox.VARIABLE] = "on" if is_used else "off"
