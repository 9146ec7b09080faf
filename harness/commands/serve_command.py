"""`harness serve`: runs one server in the foreground, to try it by hand."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import click

from harness import plugins
from harness.addresses import Address
from harness.commands import completion, options, sandboxing
from harness.errors import HarnessError, UsageError
from harness.processes import sandbox
from harness.processes.signals import IGNORED_BY_PYTHON
from harness.zoo import build, sandboxes
from harness.zoo.discover import select, why_unavailable


@click.command(
    "serve",
    epilog=options.examples("harness serve asyncio", "harness serve ./my-server 127.0.0.1:7000 --spec channels"),
)
@click.argument("name", metavar="NAME|PATH", shell_complete=completion.servers_or_files)
@click.argument("address", default="127.0.0.1:9000")
@click.option(
    "--spec",
    metavar="NAME",
    shell_complete=completion.specs,
    show_default="the first that it serves",
    help="Run the server of this spec, if NAME serves several.",
)
@sandboxing.option
def command(name: str, address: str, spec: str | None, sandbox_setting: str) -> int:
    """Run one server in the foreground.

    It serves at ADDRESS, by default 127.0.0.1:9000, until Ctrl-C. In a sandbox it has the network of this machine.

    Exit status: that of the server; 2 wrong usage, 3 it cannot run here.
    """
    try:
        Address.parse(address)
    except ValueError as error:
        raise UsageError(str(error)) from None
    by_spec = {server.spec: server for server in select([name], everything=False, spec=spec)}
    server = next(by_spec[each] for each in [*plugins.specs(), *by_spec] if each in by_spec)  # the default spec first
    if reason := why_unavailable(server):
        raise HarnessError(f"{server.name} cannot run here: {reason}")
    sandboxing.decide(sandbox_setting, [server])
    words = [*build.command(server), address]
    if sandbox.is_on():
        words = replace(sandboxes.of_server(server, words), ends_with_parent=True).wrap(words)
    for number in IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    try:
        # The server takes this process's place: signals and output are its own, and nothing outlives it.
        os.execvp(words[0], words)
    except OSError as error:
        raise HarnessError(f"{words[0]} cannot be started: {error.strerror}") from None
