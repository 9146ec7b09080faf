"""Errors, which format themselves for people.

An error says three things: what happened, what was expected, what to do next. No other module formats errors.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from harness.escapes import visible_lines

# Errors of system calls that no server causes: no descriptor, port, memory, route or room on a disk.
OF_THE_MACHINE = frozenset(
    (
        *(errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM),
        *(errno.ENETUNREACH, errno.ENETDOWN, errno.ENOSPC, errno.EDQUOT),
    )
)


class HarnessError(Exception):
    """Base of all errors that the user sees as one sentence instead of a traceback."""

    exit_status = 3


class UsageError(HarnessError):
    """The command line, a manifest or a plugin is invalid."""

    exit_status = 2


class ReaderLeft(HarnessError):
    """The reader of standard output has left, as `head` does when it has its lines: the command ends quietly.

    Args:
        exit_status: the status of the command; 0 unless what it printed was not all it had to find out.
    """

    def __init__(self, exit_status: int = 0) -> None:
        super().__init__("the reader of standard output has left")
        self.exit_status = exit_status


class LaunchError(HarnessError):
    """A server did not start, or did not follow the start protocol of this zoo.

    Args:
        name: the implementation's name.
        happened: what it did, as the rest of a sentence that begins with the server.
        expected: what it should have done, or "".
        hint: what is probably wrong or what to try, or "".
        last_words: the end of its standard error, or "".
    """

    def __init__(self, name: str, happened: str, *, expected: str = "", hint: str = "", last_words: str = "") -> None:
        # Paths and last words may contain anything.
        happened, hint, last_words = map(visible_lines, (happened, hint, last_words))
        self.name, self.happened, self.expected = name, happened, expected
        self.hint, self.last_words = hint, last_words
        sentence = f'server "{name}" {happened}'
        if expected:
            sentence += f" (expected {expected})"
        if hint:
            sentence += f"; {hint}"
        if last_words:
            sentence += f"; its last words: {last_words}"
        super().__init__(sentence)


class Violation(AssertionError):
    """A server broke a requirement.

    Args:
        message: what was observed, in sentences.
        requirement: the id of the requirement, if it is not that of the running case.
        kind: how clients see it (see `harness.conformance.reproduce.full_script.Symptom`).
        expected: what should have been observed, if the case can say it better than the requirement does.
        fault: the fault in a history (a `harness.history.judge.Fault`) that it reports, if any.
        clients: the numbers of the clients involved; the last one is the client affected.
        body: the body of the message concerned.
    """

    def __init__(
        self,
        message: str,
        requirement: str | None = None,
        *,
        kind: str = "other",
        expected: str = "",
        fault: object | None = None,
        clients: Sequence[int] = (),
        body: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.requirement, self.kind, self.expected = requirement, kind, expected
        self.fault, self.clients, self.body = fault, tuple(clients), body


class Inconclusive(Exception):
    """A case could not reach a verdict, for a reason that is not known to be the server's fault."""


def first_of(error: BaseException) -> BaseException:
    """Return the first error of a group, which caused the others; an error that is no group is returned as it is."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean X?" with the known word most similar to `word`, or "" if none is similar."""
    matches = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {matches[0]}?" if matches else ""
