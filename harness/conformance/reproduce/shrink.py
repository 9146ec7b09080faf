"""Makes the deeds that show a failure fewer: delta debugging, with the very script that the reader gets as its test.

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

from harness.codec import Codec, whole_messages
from harness.conformance.api.trace import Step
from harness.conformance.reproduce.evidence import Found
from harness.conformance.reproduce.full_script import script
from harness.conformance.reproduce.short_script import brief
from harness.errors import LaunchError
from harness.model import Evidence, Implementation
from harness.servers.launch import launch

T = TypeVar("T")
BUDGET_S = 12.0
TRIES = 3  # to see it at all: threads race
ATTEMPT_S = 20.0
PATIENCE_S = 2.0  # the server is known to break; an innocent one would be waited for longer


async def ddmin(items: Sequence[T], fails: Callable[[Sequence[T]], Awaitable[bool]], deadline: float) -> Sequence[T]:
    """Return a subsequence that still fails, of which no single part can be left out, as far as time allows.

    Args:
        fails: whether a subsequence fails; `items` itself is known to.
        deadline: of `time.monotonic()`.
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


async def shrink(implementation: Implementation, found: Found) -> Evidence:
    """Return the evidence with a script of as few steps as still show the failure, and how often it did."""
    codec = found.codec

    async def fails(some: Sequence[Step]) -> bool:
        text = script(some, found.symptom, codec, title="", name="", patience_s=PATIENCE_S)
        return await _seen(implementation, text)

    whole, seen = list(found.steps), 0
    for _ in range(TRIES):
        seen += await fails(whole)
    if seen:
        deadline = time.monotonic() + BUDGET_S

        async def steps_fail(some: Sequence[Step]) -> bool:
            some = _sound(some)
            suffers = found.symptom.client
            # Who is not there hears nothing, but that is no fault.
            return (suffers < 0 or Step("connect", (suffers,)) in some) and await fails(some)

        whole = _sound(await ddmin(whole, steps_fail, deadline))
        for place, step in enumerate(whole):
            whole[place] = await _with_less_data(step, place, whole, codec, fails, deadline)
    told = f"{found.title}\n\nWhen this was written, it was seen again in {seen} of {TRIES} runs of the whole case."
    short = brief(whole, found.symptom, codec, title=told, name=found.name)
    if short and await _seen(implementation, short):
        return msgspec.structs.replace(found.evidence, script=short)
    text = script(whole, found.symptom, codec, title=told, name=found.name)
    return msgspec.structs.replace(found.evidence, script=text)


async def _with_less_data(
    step: Step,
    place: int,
    steps: Sequence[Step],
    codec: Codec,
    fails: Callable[[Sequence[Step]], Awaitable[bool]],
    deadline: float,
) -> Step:
    """Return a send with as few of its messages as still show the failure."""
    bodies = whole_messages(step.data, codec)
    if step.deed != "send" or len(bodies) < 2:
        return step

    def sending(some: Sequence[bytes]) -> Step:
        return msgspec.structs.replace(step, data=b"".join(map(codec.encode, some)))

    async def bodies_fail(some: Sequence[bytes]) -> bool:
        return await fails([*steps[:place], sending(some), *steps[place + 1 :]])

    return sending(await ddmin(bodies, bodies_fail, deadline))


def _sound(steps: Sequence[Step]) -> list[Step]:
    """Leave out what clients do that never connect."""
    here: set[int] = set()
    found = []
    for step in steps:
        if step.deed == "connect":
            here.update(step.clients)
        clients = tuple(one for one in step.clients if one in here)
        alone = step.deed == "fence" and len(clients) < 2
        if step.clients and (not clients or clients[0] != step.clients[0] or alone):
            continue
        found.append(msgspec.structs.replace(step, clients=clients))
    return found


async def _seen(implementation: Implementation, text: str) -> bool:
    """Run a script against a fresh server; return whether it has seen the failure again."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "again.py"
        file.write_text(text, "utf-8")
        try:
            async with launch(implementation, grace_s=0) as server:
                with anyio.move_on_after(ATTEMPT_S):
                    ended = await anyio.run_process(
                        [sys.executable, "-I", str(file), str(server.address), str(server.pid)],
                        check=False,
                        stdout=subprocess.DEVNULL,
                    )
                    return ended.returncode == 1 and ended.stderr.startswith(b"SEEN AGAIN")
        except LaunchError:
            return False
    return False
