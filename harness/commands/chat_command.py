"""`harness chat`: talk to a server by hand, from a script, or as a swarm."""

from __future__ import annotations

import getpass
import os
import sys

import anyio
import click

from harness.addresses import Address
from harness.chat import simulated_users
from harness.chat.session import ChatSession
from harness.commands import completion, options
from harness.errors import HarnessError, UsageError
from harness.extras import require
from harness.model import Spec
from harness.zoo.discover import specs_named


@click.command(
    "chat",
    epilog=options.examples(
        "harness serve asyncio & harness chat",
        "echo hello | harness chat 127.0.0.1:9000 --spec broadcast",
        "harness chat --swarm 100 --messages 20",
    ),
)
@click.argument("address", default="127.0.0.1:9000")
@click.option(
    "--spec",
    metavar="NAME",
    shell_complete=completion.specs,
    show_default="the first of `harness list`",
    help="Use the protocol of this spec.",
)
@click.option(
    "--name", metavar="NAME", show_default="your user name", help="Use this name, where the protocol has names."
)
@click.option(
    "--linger",
    metavar="SECONDS",
    type=click.FloatRange(0, 3600),
    default=1.0,
    show_default=True,
    help="Leave when the input has ended and nothing has been received for this long (not on a terminal).",
)
@click.option(
    "--swarm",
    metavar="N",
    type=click.IntRange(1, simulated_users.MAX_CLIENTS),
    help=f"Connect this many clients (at most {simulated_users.MAX_CLIENTS:,}), which all send; loopback only.",
)
@click.option(
    "--messages",
    metavar="M",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    help="Send this many messages from each client of the swarm.",
)
def command(address: str, spec: str | None, name: str | None, linger: float, swarm: int | None, messages: int) -> int:
    r"""Talk to a server by hand, from a script, or as a swarm.

    ADDRESS is HOST:PORT, by default 127.0.0.1:9000.

    On a terminal, each line you type is sent, received messages appear above the prompt, /help helps, and /quit
    leaves; this needs zillions[chat]. Through pipes, each line of the input is sent, and each received message is a
    line of the output. Characters that are not printable are written \n, \r, \t, \\ or \xHH, in both directions.

    Exit status: 0 (130 after Ctrl-C), 1 the swarm's history is not lawful, 2 wrong usage or a line that could not be
    sent, 3 the server cannot be reached or went away, or delivered nothing to the swarm.
    """
    try:
        where = Address.parse(address)
    except ValueError as error:
        raise UsageError(str(error)) from None
    chosen = specs_named(spec)[0]
    if swarm:
        simulated_users.check_limits(where, swarm, messages)
        outcome = anyio.run(simulated_users.run_swarm, chosen, where, swarm, messages)
        print(simulated_users.summary(outcome))
        return 1 if outcome.faults else HarnessError.exit_status if outcome.proves_nothing else 0
    options.refuse_options("messages", because="has a meaning with --swarm only")
    return _converse(chosen, where, _user() if name is None else name, linger)


def _converse(spec: Spec, address: Address, name: str, linger_s: float) -> int:
    try:
        ChatSession(spec, name).start()
    except ValueError as error:
        raise UsageError(str(error)) from None
    # Imported only when needed: a script need not wait for the terminal's library.
    if sys.stdin and sys.stdin.isatty() and sys.stdout.isatty():
        require("prompt_toolkit", "chat")
        from harness.chat.prompt import chat_in_terminal

        return anyio.run(chat_in_terminal, spec, address, name)
    from harness.chat.filter import chat_through_pipes

    return anyio.run(chat_through_pipes, spec, address, name, linger_s)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # this user has no name
        return f"guest{os.getpid()}"
