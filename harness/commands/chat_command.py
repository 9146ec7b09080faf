"""`harness chat`: speak with a server by hand, from a script, or as a crowd."""

from __future__ import annotations

import getpass
import os
import sys

import anyio
import click

from harness.addresses import Address
from harness.chat import crowd
from harness.chat.conversation import Conversation
from harness.errors import UsageError
from harness.model import Spec
from harness.zoo.discover import specs_named


@click.command("chat")
@click.argument("address", default="127.0.0.1:9000")
@click.option("--spec", metavar="NAME", help="Which protocol is spoken; by default the first.")
@click.option("--name", metavar="NAME", help="What to be called, where the protocol has names; by default the user's.")
@click.option(
    "--linger",
    metavar="SECONDS",
    type=click.FloatRange(0, 3600),
    default=1.0,
    show_default=True,
    help="As a filter: how long nothing must have come when the input has ended.",
)
@click.option(
    "--swarm",
    metavar="N",
    type=click.IntRange(1, crowd.MOST_CLIENTS),
    help=f"Come as so many clients (at most {crowd.MOST_CLIENTS:,}) that all speak; to loopback only.",
)
@click.option(
    "--messages",
    metavar="M",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    help="How many messages each of the swarm sends.",
)
def command(address: str, spec: str | None, name: str | None, linger: float, swarm: int | None, messages: int) -> int:
    """Speak with the server at ADDRESS (by default 127.0.0.1:9000).

    On a terminal: a line is said, what is heard stands above it, /help helps, /quit leaves. Through pipes: lines in,
    what is heard out, a line each. What is not printable stands as \\n, \\r, \\t, \\\\ or \\xHH, in both directions.

    Exit status: 0 (130 after Ctrl-C), 1 the swarm's history is not lawful, 2 wrong usage or a line that could not be
    sent, 3 the server cannot be reached or went away.
    """
    try:
        where = Address.parse(address)
    except ValueError as error:
        raise UsageError(str(error)) from None
    chosen = specs_named(spec)[0]
    if swarm:
        crowd.look_ahead(where, swarm, messages)
        outcome = anyio.run(crowd.gather, chosen, where, swarm, messages)
        print(crowd.told(outcome))
        return 1 if outcome.faults else 0
    return _converse(chosen, where, _user() if name is None else name, linger)


def _converse(spec: Spec, address: Address, name: str, linger_s: float) -> int:
    try:
        Conversation(spec, name).begin()
    except ValueError as error:
        raise UsageError(str(error)) from None
    # Only what is needed is loaded: a script need not wait for the terminal's library.
    if sys.stdin and sys.stdin.isatty() and sys.stdout.isatty():
        from harness.chat.prompt import talk

        return anyio.run(talk, spec, address, name)
    from harness.chat.filter import pipe

    return anyio.run(pipe, spec, address, name, linger_s)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # nobody knows who this is
        return f"guest{os.getpid()}"
