"""Runs a command under a warden (see `harness.processes.warden`): it never outlives its context or the harness."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path

import anyio
from anyio.abc import Process

from harness.errors import HarnessError
from harness.processes import own_children, warden
from harness.processes.disturbances import MachineWatch
from harness.processes.proc import require_current_folder, require_own_proc


@asynccontextmanager
async def guarded(
    command: Sequence[str],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    without: Collection[str] = (),
    stdin: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
    pass_fds: Collection[int] = (),
) -> AsyncIterator[Process]:
    """Run a command for the duration of the context; at its end the command and all its descendants have ended.

    Args:
        command: the command and its arguments.
        folder: its working directory; by default this process's.
        environment: variables in addition to this process's environment.
        without: the names of variables of this process's environment that it does not get.
        stdin: as for `subprocess.Popen`; its standard output is always a pipe.
        stderr: as for `subprocess.Popen`.
        pass_fds: further descriptors that the command inherits, under the same numbers.

    Raises:
        HarnessError: it cannot be started here.
    """
    require_own_proc()
    require_current_folder()
    watch = MachineWatch()
    variables = {name: value for name, value in os.environ.items() if name not in without} | dict(environment or {})
    control, control_writer = os.pipe()
    try:
        process = await anyio.open_process(
            [*warden.under_warden(control, *pass_fds), *command],
            cwd=folder,
            env=variables,
            stdin=stdin,
            stderr=stderr,
            pass_fds=[control, *pass_fds],
            start_new_session=True,  # Ctrl-C in the terminal goes to the harness, which then ends the command
        )
    except (OSError, RuntimeError) as error:  # asyncio may need a thread to wait for it
        os.close(control_writer)
        reason = watch.what_happened(str(error)) or str(error)
        raise HarnessError(f"another process cannot be started: {reason}") from None
    except BaseException:
        os.close(control_writer)
        raise
    finally:
        os.close(control)
    own_children.mark(process.pid)
    async with aclosing(process):
        try:
            yield process
        finally:
            os.close(control_writer)
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)  # the command may have stopped its warden
            with anyio.CancelScope(shield=True):
                await process.wait()
            own_children.forget(process.pid)
