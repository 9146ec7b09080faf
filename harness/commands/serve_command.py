"""`harness serve`: run one server in the foreground, to try it by hand."""

from __future__ import annotations

import os

import click

from harness import plugins
from harness.addresses import Address
from harness.errors import HarnessError, UsageError
from harness.zoo import build
from harness.zoo.discover import select, why_not_here


@click.command("serve")
@click.argument("name", metavar="NAME|PATH")
@click.argument("address", default="127.0.0.1:9000")
@click.option("--spec", metavar="NAME", help="Which spec's server of that name; by default the first that it serves.")
def command(name: str, address: str, spec: str | None) -> int:
    """Run one server at ADDRESS (by default 127.0.0.1:9000) until Ctrl-C."""
    try:
        Address.parse(address)
    except ValueError as error:
        raise UsageError(str(error)) from None
    found = {one.spec: one for one in select([name], everything=False, spec=spec)}
    one = next(found[each] for each in [*plugins.specs(), *found] if each in found)  # the default spec comes first
    if reason := why_not_here(one):
        raise HarnessError(f"{one.name} cannot run here: {reason}")
    words = [*build.command(one), address]
    try:
        # The server takes this process's place: signals and output are its own, and nothing outlives it.
        os.execvp(words[0], words)
    except OSError as error:
        raise HarnessError(f"{words[0]} cannot be started: {error.strerror}") from None
