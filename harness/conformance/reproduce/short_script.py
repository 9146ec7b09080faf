"""The short form of a script: some twenty lines to read at a glance, with blocking sockets and no helper functions.

It serves for few steps and few messages. Barriers become sleeps, and no client reads before the end: what has arrived
by then waits in the kernel. So a short script need not reproduce what the full one does: it must be tried.
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
SHORT = 40  # bytes that are easiest to read as a literal
NOTICED_S = 0.1  # for a server to notice what its clients did

HEAD = Template('''\
#!/usr/bin/env python3
"""$title

Start the server, then: python3 $name ADDRESS
Exit status 1: reproduced. 0: not this time.
"""
import $modules
$framing
def connect():
    host, port = sys.argv[1].rsplit(":", 1)
    return socket.create_connection((host.strip("[]"), port), 1)
$received
$actions
$check''')
RECEIVED = """
def received(client):  # all messages, until none arrives for a second
    data = b""
    try:
        while more := client.recv(65536):
            data += more
    except OSError:
        pass
    return split(data)[0]
"""
# For each kind of symptom, how to detect it in what the clients have received and sent.
CHECKS = {
    "created": """\
sent = $sent
for client in [$clients]:
    if strange := [body for body in received(client) if body not in sent]:
        sys.exit(f"REPRODUCED: {strange[0]} arrived, which no client sent")
""",
    "duplicated": """\
sent = $sent
for client in [$clients]:
    bodies = received(client)
    if twice := [body for body in bodies if bodies.count(body) > sent.count(body)]:
        sys.exit(f"REPRODUCED: {twice[0]} arrived more often than it was sent")
""",
    "order": """\
views = [$sent_by_each, *map(received, [$clients])]
for view in views:
    for other in views:
        if (here := [body for body in view if body in other]) != (there := [body for body in other if body in view]):
            sys.exit(f"REPRODUCED: one client has the order {here}, another {there}")
""",
    "lost": """\
if ($body) not in received($receiver):
    sys.exit("REPRODUCED: $receiver never received it")
""",
    "silent": """\
for client in [$receivers]:
    if b"anybody there?" not in received(client):
        sys.exit("REPRODUCED: one of $receivers receives nothing")
""",
    "closed": """\
for client in [$clients]:
    try:
        while client.recv(65536):
            pass
    except TimeoutError:
        continue  # it is still connected
    except ConnectionError:
        pass
    sys.exit("REPRODUCED: a client was disconnected")
""",
    "died": """\
time.sleep(0.5)
try:
    connect()
except OSError as error:
    sys.exit(f"REPRODUCED: the server accepts no connection: {error}")
""",
}


@dataclass
class _Lines:
    """Lines of Python for the steps so far, and what the clients have sent by then.

    Attributes:
        names: for each client its variable in the script.
        reading: the variables of the clients that still read, in the order of their connecting.
        sent: for each variable the bodies that its client has sent.
        receivers: the variables of the clients that are checked for silence.
    """

    codec: Codec
    lines: list[str] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    reading: dict[str, None] = field(default_factory=dict)
    sent: dict[str, list[bytes]] = field(default_factory=dict)
    decoders: dict[int, Decoder] = field(default_factory=dict)
    receivers: Sequence[str] = ()

    def add(self, step: Step, *, is_last_barrier: bool) -> bool:
        """Add the lines of a step; return False when the short form cannot express it.

        Args:
            step: what clients did.
            is_last_barrier: whether it is the barrier whose receivers the script checks for silence at its end.
        """
        client = self._name(step.clients[0]) if step.clients else ""
        match step.action:
            case "connect":
                self.reading[client] = None
                self.lines.append(f"{client} = connect()")
                self.lines += [f"{client}.sendall({step.data!r})"] if step.data else []
            case "send":
                times = int(step.numbers[0])
                self.lines += [f"for _ in range({times}):"] if times > 1 else []
                self.lines.append(f"{'    ' * (times > 1)}{client}.sendall({self._data(step.data)})")
                decoder = self.decoders.setdefault(step.clients[0], self.codec.request_decoder())
                for _ in range(times):
                    self.sent.setdefault(client, []).extend(bodies_of(decoder.feed(step.data)))
            case "barrier" if is_last_barrier:
                self.receivers = [name for name in map(self._name, step.clients[1:]) if name in self.reading]
                self.lines.append(f'{client}.sendall(encode(b"anybody there?"))')
            case "barrier":
                self.lines.append(f"time.sleep({NOTICED_S})")
            case "pause":
                self.lines.append(f"time.sleep({step.numbers[0]:g})")
            case "finish" | "close" | "reset":
                self.reading.pop(client, None)
                if step.action == "reset":
                    linger = 'socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)'
                    self.lines.append(f"{client}.setsockopt({linger})")
                self.lines.append(f"{client}.{'shutdown(socket.SHUT_WR)' if step.action == 'finish' else 'close()'}")
            case _:
                return False
        return True

    def _data(self, data: bytes) -> str:
        return repr(data) if len(data) <= SHORT else data_literal(data, self.codec)

    def _name(self, client: int) -> str:
        return self.names.setdefault(client, f"c{len(self.names)}")


def short_script(steps: Sequence[Step], symptom: Symptom, codec: Codec, *, title: str, name: str) -> str | None:
    """Return a program as `full_script` does, in the short form; None when that cannot express the steps.

    Args:
        steps: what the clients did.
        symptom: the failure that the program looks for.
        codec: the protocol of the server.
        title: how the program's docstring begins.
        name: the name of the program's file, for its docstring.
    """
    kind = symptom_kind(symptom)
    if kind not in CHECKS or len(steps) > MOST_STEPS or sum(len(step.data) for step in steps) > MOST_BYTES:
        return None
    barriers = [place for place, step in enumerate(steps) if step.action == "barrier"]
    last_barrier = barriers[-1] if barriers and kind == "silent" else -1
    so_far = _Lines(codec)
    added = [so_far.add(step, is_last_barrier=place == last_barrier) for place, step in enumerate(steps)]
    is_sent = any(symptom.body in bodies for bodies in so_far.sent.values())
    if not all(added) or (kind == "lost" and not (symptom.client in so_far.names and is_sent)):
        return None
    check = Template(CHECKS[kind]).substitute(
        sent=[body for bodies in so_far.sent.values() for body in bodies],
        sent_by_each=", ".join(map(str, so_far.sent.values())),
        clients=", ".join(so_far.reading),
        receivers=", ".join(so_far.receivers),
        receiver=so_far.names.get(symptom.client, ""),
        body=body_literal(symptom.body),
    )
    lines = "\n".join(so_far.lines)
    text = HEAD.substitute(
        title=as_docstring(title),
        name=name,
        modules="$modules",
        framing=f"\n{codec.standalone_source.strip()}\n" if "received" in check or "encode(" in lines else "",
        received=RECEIVED if "received" in check else "",
        actions=lines,
        check=check,
    )
    return text.replace("$modules", imports(text))
