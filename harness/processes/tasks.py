"""Background tasks that end with a context."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup


@asynccontextmanager
async def background_tasks() -> AsyncIterator[TaskGroup]:
    """Yield a task group that is cancelled at the end of the context.

    An exception of the context's body is raised as it is, not in an exception group: callers catch it by type.
    """
    body: BaseException | None = None
    try:
        async with anyio.create_task_group() as tasks:
            try:
                yield tasks
            except BaseException as error:
                body = error
                raise
            finally:
                tasks.cancel_scope.cancel()
    except BaseExceptionGroup:
        if body is not None:
            raise body from None
        raise
