"""Processes that an object holds, where no context can: they end with the object, or with this process."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress

from harness.errors import HarnessError
from harness.processes.warden import under_warden

TAIL_BYTES = 8192


class HeldProcess:
    """A process under a warden (see `harness.processes.warden`): it ends with this object, by whatever end.

    Args:
        command: the command and its arguments.

    Raises:
        HarnessError: it cannot be started.
    """

    def __init__(self, command: Sequence[str]) -> None:
        control, leash = os.pipe()
        self._leash = open(leash, "wb", buffering=0)  # noqa: SIM115  closed with this object at the latest
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  read when it has ended
        try:
            self._process = subprocess.Popen(
                [*under_warden(control), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                pass_fds=[control],
                start_new_session=True,
            )
        except OSError as error:
            self._leash.close()
            raise HarnessError(f"another process cannot be started: {error}") from None
        finally:
            os.close(control)
        assert self._process.stdin and self._process.stdout
        self._stdin, self._stdout = self._process.stdin, self._process.stdout

    def send(self, line: str) -> None:
        """Send one line to its standard input; it may have ended."""
        with suppress(OSError):
            self._stdin.write(line.encode() + b"\n")
            self._stdin.flush()

    def receive(self) -> str:
        """Return the next line of its standard output; "" when it has ended."""
        return self._stdout.readline().decode().rstrip("\n")

    def wait(self) -> None:
        """Wait until it has ended by itself."""
        self._process.wait()

    def end(self) -> str:
        """Kill it with all its descendants, if it has not ended; return the last line of its standard error, or ""."""
        self._leash.close()
        self._process.wait()
        with suppress(OSError):  # what it has not read is of no interest any more
            self._stdin.close()
        self._stdout.close()
        if self._errors.closed:
            return ""
        with self._errors:
            self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - TAIL_BYTES))
            lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""
