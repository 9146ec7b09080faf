"""Writes the deeds of a room's clients as a Python program that does them again, with nothing but the standard library.

The program takes an address and speaks to whatever serves there; it exits with status 1 when it has seen the
fault again. It is put together from pieces, and has only those that it needs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.codec import Codec, whole_messages
from harness.conformance.api.trace import Step
from harness.conformance.reproduce import script_templates

ORDERS = {"sender order", "answer first", "own first", "disagreement", "cycle", "heard before sent"}
MODULES = ("collections", "os", "select", "socket", "struct", "sys", "time")
SERIES = re.compile(rb"(\d+)\.(\d+)(~*)")


@dataclass(frozen=True)
class Symptom:
    """What a failure looks like to its clients, so that a script can look for it.

    Attributes:
        kind: of a fault in a history, or "silent" (somebody hears nothing), "closed" (somebody was
            disconnected), "lost" (somebody never receives a body), "died", "used" (memory and the like), "other".
        client: for "lost", who.
        body: for "lost", what.
    """

    kind: str
    client: int = -1
    body: bytes = b""


def script(
    steps: Sequence[Step], symptom: Symptom, codec: Codec, *, title: str, name: str, patience_s: float = 5.0
) -> str:
    """Return a program that does these steps and says whether the symptom is there again.

    Args:
        title: what its docstring begins with.
        name: of its file, for the docstring.
        patience_s: how long it waits for what must come.
    """
    kind = symptom_kind(symptom)
    places: dict[int, int] = {}
    for step in steps:
        if step.deed == "connect":
            places.setdefault(step.clients[0], len(places))
    body = "\n".join(_deeds(steps, places, codec))
    check = script_templates.CHECKS[kind].substitute(
        body=body_literal(symptom.body), client=places.get(symptom.client, -1)
    )
    if kind == "order":
        body = f"answers = []  # what was heard last before something was said, and that\n{body}"
    if kind == "used":
        body = f"used()\n{body}"
    body = f"{body}\npause(0.5)\n{check}"
    head = script_templates.HEAD.safe_substitute(
        name=name,
        title=as_docstring(title),
        pid=" PID" if "argv[2]" in body or kind == "used" else "",
        framing=codec.standalone.strip() + "\n",
        closed=script_templates.CLOSED_IS_IT if kind == "closed" else script_templates.CLOSED_IS_FINE,
        answer=script_templates.ANSWER if kind == "order" else "",
    )
    whole = f"{head}{''.join(_needed(body, kind, patience_s))}\n{body}"
    return whole.replace("$modules", imports(whole)).rstrip() + "\n"


def symptom_kind(symptom: Symptom) -> str:
    """Return which check a symptom needs: all disorders have one, and some things a script cannot look for."""
    if symptom.kind in ORDERS:
        return "order"
    return symptom.kind if symptom.kind in script_templates.CHECKS else "other"


def as_docstring(title: str) -> str:
    """Return text as it may stand between three quotes."""
    return title.replace("\\", "\\\\").replace('"""', "'''")


def imports(text: str) -> str:
    """Return the names of the modules that a program uses."""
    return ", ".join(one for one in MODULES if f"{one}." in text)


def _needed(body: str, kind: str, patience_s: float) -> list[str]:
    wanted = {name for name in ("fence", *script_templates.OTHERS) if re.search(rf"\b{name}\(", body)}
    wanted.update(*(script_templates.NEEDS.get(name, ()) for name in wanted))
    found = [text for name, text in script_templates.OTHERS.items() if name in wanted]
    if "fence" in wanted:
        silence = script_templates.SILENCE_IS_IT if kind == "silent" else script_templates.SILENCE_IS_FINE
        found.insert(0, script_templates.FENCE.substitute(patience=f"{patience_s:g}", silence=silence))
    return found


# --- deeds


def _deeds(steps: Sequence[Step], places: dict[int, int], codec: Codec) -> list[str]:
    """Return a line of Python for each step; equal ones in a row become a loop."""
    lines: list[str] = []
    readers: set[int] = set()
    for step in steps:
        match step.deed:
            case "connect" | "resume":
                readers.add(step.clients[0])
            case "stall" | "finish" | "close" | "reset":
                readers.discard(step.clients[0])
        lines.append(_deed(step, places, readers, codec))
    looped: list[str] = []
    while lines:
        line = lines[0]
        count = next((at for at, one in enumerate(lines) if one != line), len(lines))
        looped += [f"for _ in range({count}):", f"    {line}"] if count > 2 else [line] * count
        del lines[:count]
    return looped


def _deed(step: Step, places: dict[int, int], readers: set[int], codec: Codec) -> str:
    who = [f"c[{places[one]}]" for one in step.clients if one in places]
    numbers = [int(one) for one in step.numbers]
    match step.deed:
        case "connect":
            return f"connect({step.data!r})" if step.data else "connect()"
        case "send":
            times = f", {numbers[0]}" if numbers[0] > 1 else ""
            return f"send({who[0]}, {data_literal(step.data, codec)}{times})"
        case "fence":
            hearers = set(step.clients[1:])
            listed = "*c" if hearers == readers and len(hearers) > 2 else ", ".join(who[1:])
            return f"fence({who[0]}, {listed})"
        case "pour":
            return f"pour({who[0]}, {numbers[0]}, {numbers[1]})"
        case "chatter":
            return f"chatter([{', '.join(who)}], {', '.join(map(str, numbers))})"
        case "stall":
            return f"deaf.add({who[0]})  # reads no more"
        case "resume":
            return f"deaf.discard({who[0]})  # reads on"
        case "finish":
            return f'leave({who[0]}, "FIN")'
        case "reset":
            return f'leave({who[0]}, "RST")'
        case "close":
            return f"leave({who[0]})"
        case "signal":
            return f"os.kill(int(sys.argv[2]), {numbers[0]})"
        case "pause":
            return f"pause({step.numbers[0]:g})"
    raise ValueError(f"no script can do {step.deed}")


def data_literal(data: bytes, codec: Codec) -> str:
    """Return an expression for bytes that are sent: in messages where they are whole ones."""
    bodies = whole_messages(data, codec)
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
    """Return a Python expression for a body, short where it is long and regular."""
    if len(body) > 12 and body == bytes((body[0] + place) % 256 for place in range(len(body))):
        return f"bytes(n % 256 for n in range({body[0]}, {body[0] + len(body)}))"
    short = body.rstrip(body[-1:])
    if len(body) - len(short) > 12:
        filled = f"{body[-1:]!r} * {len(body) - len(short)}"
        return f"{short!r} + {filled}" if short else filled
    return repr(body)


def _series(bodies: Sequence[bytes]) -> str:
    """Return an expression for bodies "3.17", "3.18", ... (padded or not), or ""."""
    found = [SERIES.fullmatch(body) for body in bodies]
    if not all(found) or len(bodies) < 4:
        return ""
    client, first = (int(one) for one in found[0].groups()[:2]) if found[0] else (0, 0)
    size = len(bodies[0]) if bodies[0].endswith(b"~") else 0
    made = [b"%d.%d" % (client, first + place) for place in range(len(bodies))]
    if [one.ljust(size, b"~") for one in made] != list(bodies):
        return ""
    padded = f'.ljust({size}, b"~")' if size else ""
    return f'b"".join(encode((b"{client}.%d" % n){padded}) for n in range({first}, {first + len(bodies)}))'


def program(arguments: Sequence[str], *, title: str, name: str) -> str:
    """Return a program that starts a server's command with these arguments and tells what it does."""
    return script_templates.PROGRAM.substitute(
        title=as_docstring(title), name=name, arguments=", ".join(map(repr, arguments))
    )
