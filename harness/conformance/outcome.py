"""What an exception of a case means: its verdict and its message."""

from __future__ import annotations

import pytest

from harness.errors import HarnessError, Inconclusive, LaunchError, Violation
from harness.model import Level, Verdict


def leaf(error: BaseException) -> BaseException:
    """Return the exception that a group of exceptions is about: a Violation if there is one."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    leaves = [leaf(part) for part in error.exceptions]
    return next((part for part in leaves if isinstance(part, Violation)), leaves[0])


def verdict_of(level: Level, error: BaseException | None) -> tuple[Verdict, str, str | None]:
    """Return what an exception (or none) means for a case of a level.

    Returns:
        The verdict, the message, and the id of the requirement that is broken when it is not one of the case's own;
        that requirement is a MUST.
    """
    error = leaf(error) if error else None
    is_judged = level in (Level.MUST, Level.SHOULD)
    match error:
        case None:
            return (Verdict.PASS if is_judged else Verdict.INFO), "", None
        case Violation(requirement=str(broken)):
            return Verdict.FAIL, str(error), broken
        case AssertionError() | LaunchError():
            failed = {Level.MUST: Verdict.FAIL, Level.SHOULD: Verdict.WARN}
            return failed.get(level, Verdict.INFO), _sentence(error), None
        case pytest.skip.Exception():
            return Verdict.UNSUPPORTED, str(error), None
        case Inconclusive():
            return Verdict.UNKNOWN, str(error), None
        case HarnessError():
            return Verdict.ERROR, str(error), None
    return Verdict.ERROR, f"{type(error).__name__}: {error}", None


def _sentence(error: BaseException) -> str:
    # pytest appends the compared values to the message of a plain assert, which is shown in full elsewhere.
    return str(error).split("\nassert ")[0].strip()
