"""Writes the steps of a room's clients as a Python program that repeats them, with nothing but the standard library.

The program takes the address of a running server; it exits with status 1 when it has reproduced the failure. It is
assembled from script templates, and contains only those that it needs.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.codec import Codec, complete_messages
from harness.conformance.api.trace import Step
from harness.conformance.reproduce import script_templates

ORDERS = {"sender order", "answer first", "own first", "disagreement", "cycle", "received before sent"}
MODULES = ("collections", "os", "select", "socket", "struct", "sys", "time")
SERIES = re.compile(rb"(\d+)\.(\d+)(~*)")


@dataclass(frozen=True)
class Symptom:
    """What a failure looks like to its clients, so that a script can look for it.

    Attributes:
        kind: the kind of a fault in a history, or "silent" (a client receives nothing), "closed" (a client was
            disconnected), "lost" (a client never receives a body), "died", "used" (memory and the like), "other".
        client: for "lost", the client that never receives the body.
        body: for "lost", that body.
    """

    kind: str
    client: int = -1
    body: bytes = b""


def full_script(
    steps: Sequence[Step], symptom: Symptom, codec: Codec, *, title: str, name: str, patience_s: float = 5.0
) -> str:
    """Return a program that repeats these steps and reports whether it reproduces the symptom.

    Args:
        steps: what the clients did.
        symptom: the failure that the program looks for.
        codec: the protocol of the server.
        title: how the program's docstring begins.
        name: the name of the program's file, for its docstring.
        patience_s: how long the program waits for what must arrive.
    """
    kind = symptom_kind(symptom)
    places: dict[int, int] = {}
    for step in steps:
        if step.action == "connect":
            places.setdefault(step.clients[0], len(places))
    body = "\n".join(_lines(steps, places, codec))
    check = script_templates.CHECKS[kind].substitute(
        body=body_literal(symptom.body), client=places.get(symptom.client, -1)
    )
    if kind == "order":
        body = f"answers = []  # what a client received last before it sent something, and what it sent\n{body}"
    if kind == "used":
        body = f"used()\n{body}"
    body = f"{body}\npause(0.5)\n{check}"
    head = script_templates.HEAD.safe_substitute(
        name=name,
        title=as_docstring(title),
        pid=" PID" if "argv[2]" in body or kind == "used" else "",
        framing=codec.standalone_source.strip() + "\n",
        closed=script_templates.CLOSED_IS_FAILURE if kind == "closed" else script_templates.CLOSED_IS_FINE,
        answer=script_templates.ANSWER if kind == "order" else "",
    )
    text = f"{head}{''.join(_needed(body, kind, patience_s))}\n{body}"
    return text.replace("$modules", imports(text)).rstrip() + "\n"


def symptom_kind(symptom: Symptom) -> str:
    """Return the key of the check that a symptom needs: all faults of order share one; "other" checks nothing."""
    if symptom.kind in ORDERS:
        return "order"
    return symptom.kind if symptom.kind in script_templates.CHECKS else "other"


def as_docstring(title: str) -> str:
    """Return text escaped for a docstring between three double quotes."""
    return title.replace("\\", "\\\\").replace('"""', "'''")


def imports(text: str) -> str:
    """Return the names of the modules that a program uses."""
    return ", ".join(module for module in MODULES if f"{module}." in text)


def _needed(body: str, kind: str, patience_s: float) -> list[str]:
    wanted = {name for name in ("barrier", *script_templates.OTHERS) if re.search(rf"\b{name}\(", body)}
    wanted.update(*(script_templates.NEEDS.get(name, ()) for name in wanted))
    parts = [text for name, text in script_templates.OTHERS.items() if name in wanted]
    if "barrier" in wanted:
        silence = script_templates.SILENCE_IS_FAILURE if kind == "silent" else script_templates.SILENCE_IS_FINE
        parts.insert(0, script_templates.BARRIER.substitute(patience=f"{patience_s:g}", silence=silence))
    return parts


# --- steps


def _lines(steps: Sequence[Step], places: dict[int, int], codec: Codec) -> list[str]:
    """Return a line of Python for each step; equal lines in a row become a loop."""
    lines: list[str] = []
    readers: set[int] = set()
    for step in steps:
        match step.action:
            case "connect" | "resume":
                readers.add(step.clients[0])
            case "stall" | "finish" | "close" | "reset":
                readers.discard(step.clients[0])
        lines.append(_line(step, places, readers, codec))
    looped: list[str] = []
    for line, equal in itertools.groupby(lines):
        count = len(list(equal))
        looped += [f"for _ in range({count}):", f"    {line}"] if count > 2 else [line] * count
    return looped


def _line(step: Step, places: dict[int, int], readers: set[int], codec: Codec) -> str:
    clients = [f"c[{places[client]}]" for client in step.clients if client in places]
    numbers = [int(number) for number in step.numbers]
    match step.action:
        case "connect":
            return f"connect({step.data!r})" if step.data else "connect()"
        case "send":
            times = f", {numbers[0]}" if numbers[0] > 1 else ""
            return f"send({clients[0]}, {data_literal(step.data, codec)}{times})"
        case "barrier":
            receivers = set(step.clients[1:])
            listed = "*c" if receivers == readers and len(receivers) > 2 else ", ".join(clients[1:])
            return f"barrier({clients[0]}, {listed})"
        case "pour":
            return f"pour({clients[0]}, {numbers[0]}, {numbers[1]})"
        case "chatter":
            return f"chatter([{', '.join(clients)}], {', '.join(map(str, numbers))})"
        case "stall":
            return f"stalled.add({clients[0]})  # stops reading"
        case "resume":
            return f"stalled.discard({clients[0]})  # reads again"
        case "finish":
            return f'leave({clients[0]}, "FIN")'
        case "reset":
            return f'leave({clients[0]}, "RST")'
        case "close":
            return f"leave({clients[0]})"
        case "signal":
            return f"os.kill(int(sys.argv[2]), {numbers[0]})"
        case "pause":
            return f"pause({step.numbers[0]:g})"
    raise ValueError(f"no script can express {step.action}")


def data_literal(data: bytes, codec: Codec) -> str:
    """Return a Python expression for bytes that are sent, by their messages where these are complete."""
    bodies = complete_messages(data, codec)
    if not bodies:
        return repr(data)
    if len(bodies) == 1:
        return f"encode({body_literal(bodies[0])})"
    if len(set(bodies)) == 1:
        return f"encode({body_literal(bodies[0])}) * {len(bodies)}"
    if series := _series(bodies):
        return series
    return f'b"".join(map(encode, [{", ".join(map(body_literal, bodies))}]))'


def body_literal(body: bytes) -> str:
    """Return a Python expression for a body; a short one for a body that is long and regular."""
    if len(body) > 12 and body == bytes((body[0] + place) % 256 for place in range(len(body))):
        return f"bytes(n % 256 for n in range({body[0]}, {body[0] + len(body)}))"
    short = body.rstrip(body[-1:])
    if len(body) - len(short) > 12:
        filled = f"{body[-1:]!r} * {len(body) - len(short)}"
        return f"{short!r} + {filled}" if short else filled
    return repr(body)


def _series(bodies: Sequence[bytes]) -> str:
    """Return an expression for bodies "3.17", "3.18", ... (padded or not), or ""."""
    matches = [SERIES.fullmatch(body) for body in bodies]
    if not all(matches) or len(bodies) < 4:
        return ""
    client, first = (int(group) for group in matches[0].groups()[:2]) if matches[0] else (0, 0)
    size = len(bodies[0]) if bodies[0].endswith(b"~") else 0
    expected = [b"%d.%d" % (client, first + place) for place in range(len(bodies))]
    if [body.ljust(size, b"~") for body in expected] != list(bodies):
        return ""
    padded = f'.ljust({size}, b"~")' if size else ""
    return f'b"".join(encode((b"{client}.%d" % n){padded}) for n in range({first}, {first + len(bodies)}))'


def program_script(arguments: Sequence[str], *, title: str, name: str) -> str:
    """Return a program that starts a server's command with arguments and prints how it ends.

    Args:
        arguments: are appended to the command.
        title: how the program's docstring begins.
        name: the name of the program's file, for its docstring.
    """
    return script_templates.PROGRAM.substitute(
        title=as_docstring(title), name=name, arguments=", ".join(map(repr, arguments))
    )
