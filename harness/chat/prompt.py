"""A conversation in a terminal: what is heard stands above the line that is being typed."""

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
from harness.chat.conversation import Conversation
from harness.chat.link import Link
from harness.escapes import visible
from harness.model import Spec

HELP, QUIT = "/help", "/quit"
HELP_TEXT = f"{HELP} shows this; {QUIT}, Ctrl-D, Ctrl-C leave; the arrows bring lines back."
NOTICE = "ansibrightblack"  # the style of what is not said by the server
INTERRUPTED = 130
HISTORY_BYTES = 256 * 1024  # of a history; the older half goes when it is longer


async def talk(spec: Spec, address: Address, name: str) -> int:
    """Hold a conversation on this terminal until its person leaves; return an exit status."""
    conversation = Conversation(spec, name)
    link = Link(address, conversation, _say, _notice)
    session: PromptSession[str] = PromptSession(
        history=_history(spec.name),
        completer=FirstWord([*conversation.dialect.words, HELP, QUIT]),
        complete_while_typing=False,
    )
    await _notice([f"{spec.name} at {address}; {HELP} tells what can be typed"])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(link.run)
        status = await _prompt(session, conversation, link)
        tasks.cancel_scope.cancel()
    return status


async def _prompt(session: PromptSession[str], conversation: Conversation, link: Link) -> int:
    while True:
        try:
            line = await session.prompt_async("> ")
        except EOFError:
            return 0
        except KeyboardInterrupt:
            return INTERRUPTED
        if line.strip() == QUIT:
            return 0
        if line.strip() == HELP:
            await _notice([*conversation.dialect.help.splitlines(), HELP_TEXT])
        elif line:
            try:
                link.say(line)
            except ValueError as error:
                await _notice([str(error)])


async def _say(lines: Sequence[str]) -> None:
    await _print(lines, "")


async def _notice(lines: Sequence[str]) -> None:
    await _print([f"-- {visible(line)}" for line in lines], NOTICE)


async def _print(lines: Sequence[str], style: str) -> None:
    text = FormattedText([(style, "\n".join(lines))])
    # Waited for, so that no more is read from the server than can be shown.
    await run_in_terminal(lambda: print_formatted_text(text))


class FirstWord(Completer):
    """Completes the first word of a line, and the blank behind it."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        typed = document.text_before_cursor
        return (Completion(f"{word.rstrip()} ", -len(typed)) for word in self._words if word.startswith(typed))


class Kept(FileHistory):
    """A history in a file; that it cannot be written is no reason to stop talking."""

    def store_string(self, string: str) -> None:
        with suppress(OSError):
            super().store_string(string.encode("utf-8", "replace").decode())


def history_file(spec: str) -> Path:
    """Return the file in the user's state folder (XDG_STATE_HOME is honoured) that keeps what was typed."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return state / "zillions" / f"chat-{spec}"


def _history(spec: str) -> History:
    file = history_file(spec)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        if file.stat().st_size > HISTORY_BYTES:
            half = file.read_bytes()[-HISTORY_BYTES // 2 :]
            file.write_bytes(half[half.find(b"\n#") + 1 :])
    except (OSError, RuntimeError):  # no such folder can be made, or nobody knows where home is
        return InMemoryHistory()
    return Kept(str(file))
