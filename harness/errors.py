"""What can go wrong, as types that know how to tell themselves.

An error knows three things: what happened, what was expected, what to do next. Nothing else in the harness
formats an error for people.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class HarnessError(Exception):
    """Base of every error that is told to the user in one sentence instead of a traceback."""

    exit_status = 3


class UsageError(HarnessError):
    """The command line, a manifest or a plugin says something that cannot be meant."""

    exit_status = 2


class LaunchError(HarnessError):
    """A server did not start, or did not start as a server of this zoo does.

    Args:
        name: the implementation's name.
        happened: what it did, as the rest of a sentence that begins with the server.
        expected: what it should have done, or "".
        likely: what is probably wrong, or "".
        last_words: the end of its standard error, or "".
    """

    def __init__(self, name: str, happened: str, *, expected: str = "", likely: str = "", last_words: str = "") -> None:
        self.name, self.happened, self.expected = name, happened, expected
        self.likely, self.last_words = likely, last_words
        sentence = f'server "{name}" {happened}'
        if expected:
            sentence += f" (expected {expected})"
        if likely:
            sentence += f"; {likely}"
        if last_words:
            sentence += f"; its last words: {last_words}"
        super().__init__(sentence)


class Violation(AssertionError):
    """A server broke a requirement.

    Args:
        message: what was seen, in sentences.
        requirement: the id of the requirement when it is another one than the running case's.
        kind: what it looks like to clients (see `harness.conformance.reproduce.full_script.Symptom`).
        expected: what should have been seen, where the case can say it better than the requirement.
        fault: the fault in a history (a `harness.history.judge.Fault`) that it tells of, if it does.
        about: the numbers of the clients that it tells of; the last is the one that suffers.
        body: of the message that it tells of.
    """

    def __init__(
        self,
        message: str,
        requirement: str | None = None,
        *,
        kind: str = "other",
        expected: str = "",
        fault: object | None = None,
        about: Sequence[int] = (),
        body: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.requirement, self.kind, self.expected = requirement, kind, expected
        self.fault, self.about, self.body = fault, tuple(about), body


class CouldNotTell(Exception):
    """A case could not reach a verdict, through no fault that it could see of the server's."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `"; did you mean X?"` for the known word nearest to `word`, or ""."""
    found = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {found[0]}?" if found else ""
