"""Chat in a terminal: received messages appear above the line that is being typed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import anyio
from prompt_toolkit import PromptSession, print_formatted_text
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from harness.addresses import Address
from harness.chat.connection import ReconnectingConnection
from harness.chat.session import ChatSession
from harness.escapes import visible
from harness.model import Spec

HELP, QUIT = "/help", "/quit"
HELP_TEXT = f"{HELP} shows this; {QUIT}, Ctrl-D or Ctrl-C leaves; the arrow keys recall earlier lines."
NOTICE = "ansibrightblack"  # the style of lines that do not come from the server
INTERRUPTED = 130
HISTORY_BYTES = 256 * 1024  # of the history file; the older half of a longer one is deleted


async def chat_in_terminal(spec: Spec, address: Address, name: str) -> int:
    """Chat on this terminal until the user leaves; return an exit status.

    Args:
        spec: the protocol.
        address: the address of the server.
        name: the name of the user, for protocols with names.
    """
    session = ChatSession(spec, name)
    connection = ReconnectingConnection(address, session, _show, _notice)
    prompt: PromptSession[str] = PromptSession(
        history=_history(spec.name),
        completer=FirstWordCompleter([*session.dialect.commands, HELP, QUIT]),
        complete_while_typing=False,
    )
    await _notice([f"{spec.name} at {address}; {HELP} shows what can be typed"])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(connection.run)
        status = await _prompt(prompt, session, connection)
        tasks.cancel_scope.cancel()
    return status


async def _prompt(prompt: PromptSession[str], session: ChatSession, connection: ReconnectingConnection) -> int:
    while True:
        try:
            line = await prompt.prompt_async("> ")
        except EOFError:
            return 0
        except KeyboardInterrupt:
            return INTERRUPTED
        if line.strip() == QUIT:
            return 0
        if line.strip() == HELP:
            await _notice([*session.dialect.help.splitlines(), HELP_TEXT])
        elif line:
            try:
                connection.send(line)
            except ValueError as error:
                await _notice([str(error)])


async def _show(lines: Sequence[str]) -> None:
    await _print(lines, "")


async def _notice(lines: Sequence[str]) -> None:
    await _print([f"-- {visible(line)}" for line in lines], NOTICE)


async def _print(lines: Sequence[str], style: str) -> None:
    text = FormattedText([(style, "\n".join(lines))])
    # Awaited, so that the client does not read faster from the server than it can print.
    await run_in_terminal(lambda: print_formatted_text(text))


class FirstWordCompleter(Completer):
    """Completes the first word of a line, and adds a blank."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Return the words that begin with what is typed (called by prompt_toolkit)."""
        typed = document.text_before_cursor
        return (Completion(f"{word.rstrip()} ", -len(typed)) for word in self._words if word.startswith(typed))


class SafeFileHistory(FileHistory):
    """A history in a file; a file that cannot be written does not end the chat."""

    def store_string(self, string: str) -> None:
        """Append a line to the file (called by prompt_toolkit)."""
        with suppress(OSError):
            super().store_string(string.encode("utf-8", "replace").decode())


def history_file(spec: str) -> Path:
    """Return the file that keeps the typed lines, in the user's state folder (XDG_STATE_HOME)."""
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not state.is_absolute():  # the XDG Base Directory Specification says that a relative path is to be ignored
        state = Path.home() / ".local" / "state"
    return state / "zillions" / f"chat-{spec}"


def _history(spec: str) -> History:
    file = history_file(spec)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        if file.stat().st_size > HISTORY_BYTES:
            half = file.read_bytes()[-HISTORY_BYTES // 2 :]
            file.write_bytes(half[half.find(b"\n#") + 1 :])
    except (OSError, RuntimeError):  # the folder cannot be created, or the home folder is unknown
        return InMemoryHistory()
    return SafeFileHistory(str(file))
