"""The briefest form of a script: some twenty lines that one reads at a glance, with blocking sockets and no machinery.

It serves for few deeds and few messages. Fences become moments of sleep, and nobody reads before the end: what has
come by then waits in the kernel. So it need not show what the full form shows, and whoever makes one must try it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from string import Template

from harness.codec import Codec, Decoder, bodies_of
from harness.conformance.api.trace import Step
from harness.conformance.reproduce.full_script import (
    Symptom,
    as_docstring,
    body_literal,
    data_literal,
    imports,
    symptom_kind,
)

MOST_STEPS, MOST_BYTES = 24, 4000
SHORT = 40  # bytes that are read most easily as they are
NOTICED_S = 0.1  # for a server to notice what was done

HEAD = Template('''\
#!/usr/bin/env python3
"""$title

Start the server, then: python3 $name ADDRESS
Exit status 1: seen again. 0: not this time.
"""
import $modules
$framing
def connect():
    host, port = sys.argv[1].rsplit(":", 1)
    return socket.create_connection((host.strip("[]"), port), 1)
$heard
$deeds
$check''')
HEARD = """
def heard(one):  # what has come, and comes until a second passes without any
    data = b""
    try:
        while more := one.recv(65536):
            data += more
    except OSError:
        pass
    return split(data)[0]
"""
# For each kind of symptom, how it is seen again in what the clients have heard and said.
CHECKS = {
    "created": """\
said = $said
for one in [$clients]:
    if strange := [body for body in heard(one) if body not in said]:
        sys.exit(f"SEEN AGAIN: {strange[0]} came, which nobody sent")
""",
    "duplicated": """\
said = $said
for one in [$clients]:
    got = heard(one)
    if twice := [body for body in got if got.count(body) > said.count(body)]:
        sys.exit(f"SEEN AGAIN: {twice[0]} came more often than it was sent")
""",
    "order": """\
views = [$said_by_each, *map(heard, [$clients])]
for one in views:
    for other in views:
        if (some := [body for body in one if body in other]) != (same := [body for body in other if body in one]):
            sys.exit(f"SEEN AGAIN: one has the order {some}, another {same}")
""",
    "lost": """\
if ($body) not in heard($suffers):
    sys.exit("SEEN AGAIN: $suffers never received it")
""",
    "silent": """\
for one in [$hearers]:
    if b"anybody there?" not in heard(one):
        sys.exit("SEEN AGAIN: one of $hearers hears nothing")
""",
    "closed": """\
for one in [$clients]:
    try:
        while one.recv(65536):
            pass
    except TimeoutError:
        continue  # it is still connected
    except ConnectionError:
        pass
    sys.exit("SEEN AGAIN: a client was disconnected")
""",
    "died": """\
time.sleep(0.5)
try:
    connect()
except OSError as error:
    sys.exit(f"SEEN AGAIN: it does not even accept: {error}")
""",
}


@dataclass
class _Deeds:
    """Lines of Python for the deeds so far, and what has been said by then."""

    codec: Codec
    lines: list[str] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    reading: dict[str, None] = field(default_factory=dict)  # who still reads, in the order of coming
    said: dict[str, list[bytes]] = field(default_factory=dict)
    decoders: dict[int, Decoder] = field(default_factory=dict)
    hearers: Sequence[str] = ()

    def add(self, step: Step, *, asks: bool) -> bool:
        """Add the lines of a step; return False when this form has no words for it.

        Args:
            asks: whether it is the fence of which it is looked at the end who has heard it.
        """
        one = self._name(step.clients[0]) if step.clients else ""
        match step.deed:
            case "connect":
                self.reading[one] = None
                self.lines.append(f"{one} = connect()")
                self.lines += [f"{one}.sendall({step.data!r})"] if step.data else []
            case "send":
                times = int(step.numbers[0])
                self.lines += [f"for _ in range({times}):"] if times > 1 else []
                self.lines.append(f"{'    ' * (times > 1)}{one}.sendall({self._data(step.data)})")
                decoder = self.decoders.setdefault(step.clients[0], self.codec.requests())
                for _ in range(times):
                    self.said.setdefault(one, []).extend(bodies_of(decoder.feed(step.data)))
            case "fence" if asks:
                self.hearers = [name for name in map(self._name, step.clients[1:]) if name in self.reading]
                self.lines.append(f'{one}.sendall(encode(b"anybody there?"))')
            case "fence":
                self.lines.append(f"time.sleep({NOTICED_S})")
            case "pause":
                self.lines.append(f"time.sleep({step.numbers[0]:g})")
            case "finish" | "close" | "reset":
                self.reading.pop(one, None)
                if step.deed == "reset":
                    self.lines.append(f'{one}.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))')
                self.lines.append(f"{one}.{'shutdown(socket.SHUT_WR)' if step.deed == 'finish' else 'close()'}")
            case _:
                return False
        return True

    def _data(self, data: bytes) -> str:
        return repr(data) if len(data) <= SHORT else data_literal(data, self.codec)

    def _name(self, client: int) -> str:
        return self.names.setdefault(client, f"c{len(self.names)}")


def brief(steps: Sequence[Step], symptom: Symptom, codec: Codec, *, title: str, name: str) -> str | None:
    """Return a program as `harness.conformance.reproduce.full_script.script` does, in the briefest form; None when it needs the other.

    Args:
        title: what its docstring begins with.
        name: of its file, for the docstring.
    """
    kind = symptom_kind(symptom)
    if kind not in CHECKS or len(steps) > MOST_STEPS or sum(len(one.data) for one in steps) > MOST_BYTES:
        return None
    deeds = _Deeds(codec)
    asking = max((at for at, one in enumerate(steps) if kind == "silent" and one.deed == "fence"), default=-1)
    added = [deeds.add(step, asks=at == asking) for at, step in enumerate(steps)]
    is_sent = any(symptom.body in bodies for bodies in deeds.said.values())
    if not all(added) or (kind == "lost" and not (symptom.client in deeds.names and is_sent)):
        return None
    check = Template(CHECKS[kind]).substitute(
        said=[body for bodies in deeds.said.values() for body in bodies],
        said_by_each=", ".join(map(str, deeds.said.values())),
        clients=", ".join(deeds.reading),
        hearers=", ".join(deeds.hearers),
        suffers=deeds.names.get(symptom.client, ""),
        body=body_literal(symptom.body),
    )
    lines = "\n".join(deeds.lines)
    text = HEAD.substitute(
        title=as_docstring(title),
        name=name,
        modules="$modules",
        framing=f"\n{codec.standalone.strip()}\n" if "heard" in check or "encode(" in lines else "",
        heard=HEARD if "heard" in check else "",
        deeds=lines,
        check=check,
    )
    return text.replace("$modules", imports(text))
