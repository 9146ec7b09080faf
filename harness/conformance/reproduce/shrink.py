"""Reduces the steps that reproduce a failure by delta debugging; its test is the script that the user gets.

The algorithm is ddmin of Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (2002).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import anyio
import msgspec

from harness.codec import Codec, complete_messages
from harness.conformance.api.trace import Step
from harness.conformance.reproduce.evidence import Failure
from harness.conformance.reproduce.full_script import full_script
from harness.conformance.reproduce.short_script import short_script
from harness.errors import LaunchError
from harness.model import Evidence, Implementation
from harness.servers.launch import launch

T = TypeVar("T")
BUDGET_S = 12.0
TRIES = 3  # to reproduce it at all: threads race
ATTEMPT_S = 20.0
PATIENCE_S = 2.0  # the server is known to fail; the final script waits longer


async def ddmin(items: Sequence[T], fails: Callable[[Sequence[T]], Awaitable[bool]], deadline: float) -> Sequence[T]:
    """Return a subsequence that still fails, of which no single item can be left out, as far as time allows.

    Args:
        items: the sequence, which is known to fail.
        fails: whether a subsequence fails.
        deadline: when to return the best so far, in seconds of `time.monotonic()`.
    """
    parts = 2
    while len(items) > 1:
        size = -(-len(items) // parts)
        for start in range(0, len(items), size):
            if time.monotonic() > deadline:
                return items
            rest = [*items[:start], *items[start + size :]]
            if rest and await fails(rest):
                items, parts = rest, max(parts - 1, 2)
                break
        else:
            if size == 1:
                return items
            parts = min(len(items), 2 * parts)
    return items


async def shrunk_evidence(implementation: Implementation, failure: Failure) -> Evidence:
    """Return the evidence with a script of as few steps as still reproduce the failure, and how often it did."""
    codec = failure.codec

    async def fails(some: Sequence[Step]) -> bool:
        text = full_script(some, failure.symptom, codec, title="", name="", patience_s=PATIENCE_S)
        return await _reproduces(implementation, text)

    steps, reproduced = list(failure.steps), 0
    for _ in range(TRIES):
        reproduced += await fails(steps)
    if reproduced:
        deadline = time.monotonic() + BUDGET_S

        async def steps_fail(some: Sequence[Step]) -> bool:
            some = _connected_only(some)
            affected = failure.symptom.client
            # A client that never connects receives nothing, but that is no fault.
            return (affected < 0 or Step("connect", (affected,)) in some) and await fails(some)

        steps = _connected_only(await ddmin(steps, steps_fail, deadline))
        for place, step in enumerate(steps):
            steps[place] = await _with_less_data(step, place, steps, codec, fails, deadline)
    title = f"{failure.title}\n\nReproduced in {reproduced} of {TRIES} runs of all steps when this was written."
    short = short_script(steps, failure.symptom, codec, title=title, name=failure.name)
    if short and await _reproduces(implementation, short):
        return msgspec.structs.replace(failure.evidence, script=short)
    text = full_script(steps, failure.symptom, codec, title=title, name=failure.name)
    return msgspec.structs.replace(failure.evidence, script=text)


async def _with_less_data(
    step: Step,
    place: int,
    steps: Sequence[Step],
    codec: Codec,
    fails: Callable[[Sequence[Step]], Awaitable[bool]],
    deadline: float,
) -> Step:
    """Return a send with as few of its messages as still reproduce the failure."""
    bodies = complete_messages(step.data, codec)
    if step.action != "send" or len(bodies) < 2:
        return step

    def sending(some: Sequence[bytes]) -> Step:
        return msgspec.structs.replace(step, data=b"".join(map(codec.encode, some)))

    async def bodies_fail(some: Sequence[bytes]) -> bool:
        return await fails([*steps[:place], sending(some), *steps[place + 1 :]])

    return sending(await ddmin(bodies, bodies_fail, deadline))


def _connected_only(steps: Sequence[Step]) -> list[Step]:
    """Return the steps without those of clients that never connect."""
    connected: set[int] = set()
    kept = []
    for step in steps:
        if step.action == "connect":
            connected.update(step.clients)
        clients = tuple(client for client in step.clients if client in connected)
        alone = step.action == "barrier" and len(clients) < 2
        if step.clients and (not clients or clients[0] != step.clients[0] or alone):
            continue
        kept.append(msgspec.structs.replace(step, clients=clients))
    return kept


async def _reproduces(implementation: Implementation, text: str) -> bool:
    """Run a script against a fresh server; return whether it reproduces the failure."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "reproduce.py"
        file.write_text(text, "utf-8")
        try:
            async with launch(implementation, grace_s=0) as server:
                with anyio.move_on_after(ATTEMPT_S):
                    ended = await anyio.run_process(
                        [sys.executable, "-I", str(file), str(server.address), str(server.pid)],
                        check=False,
                        stdout=subprocess.DEVNULL,
                    )
                    return ended.returncode == 1 and ended.stderr.startswith(b"REPRODUCED")
        except LaunchError:
            return False
    return False
