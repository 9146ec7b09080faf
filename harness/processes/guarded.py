"""A process under a warden (see `harness.processes.warden`): nothing of it survives its context, or the harness."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import anyio
from anyio.abc import Process

WARDEN = Path(__file__).with_name("warden.py")


@asynccontextmanager
async def guarded(
    command: Sequence[str],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    stdin: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
) -> AsyncIterator[Process]:
    """Run a command for the length of the context; afterwards it, and all that it has started, has ended.

    Args:
        folder: where it is run; by default here.
        environment: what it finds in its environment beside ours.
        stdin, stderr: as for `subprocess.Popen`; its standard output is a pipe.
    """
    control, mine = os.pipe()
    try:
        process = await anyio.open_process(
            [sys.executable, "-I", "-S", str(WARDEN), str(control), *command],
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=stdin,
            stderr=stderr,
            pass_fds=[control],
            start_new_session=True,  # a Ctrl-C in the terminal is for the harness, which then ends us
        )
    except BaseException:
        os.close(mine)
        raise
    finally:
        os.close(control)
    async with aclosing(process):
        try:
            yield process
        finally:
            os.close(mine)
            with anyio.CancelScope(shield=True):
                await process.wait()
