"""What ends a load before its time: the server broke a rule, or this machine and the harness cannot go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from harness.errors import Inconclusive, Violation

Ending = Violation | Inconclusive


class SharedViolation(Violation):
    """A violation that all processes of the load know of."""


class SharedHindrance(Inconclusive):
    """What keeps a process of the load from going on, when all of them know of it."""


@contextmanager
def own_faults() -> Iterator[None]:
    """Raise Inconclusive for an error of a system call in this context: a server has no part in it.

    What a server does to a connection is a Violation, which the code that reads and writes raises itself.
    """
    try:
        yield
    except OSError as error:
        raise Inconclusive(f"the harness's own fault: {error.strerror or error}") from None


def portable(ending: Ending) -> Ending:
    """Return an ending that can be sent to another process."""
    return Violation(str(ending)) if isinstance(ending, Violation) else Inconclusive(str(ending))


def shared(ending: Ending) -> SharedViolation | SharedHindrance:
    """Return an ending as one that all processes know of."""
    return SharedViolation(str(ending)) if isinstance(ending, Violation) else SharedHindrance(str(ending))


def ending_in(values: Sequence[object]) -> Ending | None:
    """Return the ending among values, if there is one; a hindrance may have caused the violations."""
    hindrance = next((value for value in values if isinstance(value, Inconclusive)), None)
    return hindrance or next((value for value in values if isinstance(value, Violation)), None)
