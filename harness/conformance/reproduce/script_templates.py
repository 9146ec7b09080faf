"""Templates of the parts of a script that reproduces a failure: plain Python, with `$name` for what differs.

A script contains only the parts that it needs (see `harness.conformance.reproduce.full_script`). In all of them `c` is
the list of connections; `received` and `sent` are lists of bodies by connection; `rest` and `half` are the bytes that
complete no message yet; `stalled` are the connections that are not read.
"""

from __future__ import annotations

from string import Template

HEAD = Template('''\
#!/usr/bin/env python3
"""$title

Start the server, then: python3 $name ADDRESS$pid
Exit status 1: reproduced. 0: not this time.
"""
import $modules

host, _, port = sys.argv[1].rpartition(":")
c, received, rest, sent, half, stalled = [], {}, {}, {}, {}, set()

$framing

def reproduced(what):
    sys.exit(f"REPRODUCED: {what}")

def connect(greeting=b""):
    client = socket.create_connection((host.strip("[]"), int(port)), 5)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    received[client], rest[client], sent[client], half[client] = [], b"", [], b""
    c.append(client)
    client.sendall(greeting)

def take(seconds):  # read what arrives for the clients that read
    for client in select.select([client for client in c if client not in stalled], [], [], seconds)[0]:
        try:
            data = client.recv(65536)
        except OSError:
            data = b""
        bodies, rest[client] = split(rest[client] + data)
        received[client] += bodies
        if not data:
            $closed

def send(client, data, times=1):
    for _ in range(times):
        try:
            client.sendall(data)
        except OSError:  # the server takes no more
            return
$answer        bodies, half[client] = split(half[client] + data)
        sent[client] += bodies
        take(0)
''')
CLOSED_IS_FAILURE = 'reproduced(f"client {c.index(client)}, which reads, was disconnected")'
CLOSED_IS_FINE = "stalled.add(client)"
ANSWER = "        answers.append([*received[client][-1:], *split(half[client] + data)[0][:1]])\n"
SILENCE_IS_FAILURE = 'reproduced(f"client {min(map(c.index, waiting))} receives nothing")'
SILENCE_IS_FINE = "return"

BARRIER = Template("""
def barrier(sender, *receivers):  # until all of them have received something that is sent now
    bodies, end = [], time.monotonic() + $patience
    while not bodies or (waiting := {client for client in receivers if client not in stalled} - done(bodies)):
        if time.monotonic() > end:
            $silence
        bodies.append(b"barrier %d" % time.monotonic_ns())
        send(sender, encode(bodies[-1]))
        again = time.monotonic() + 0.2
        while time.monotonic() < again and not done(bodies).issuperset(receivers):
            take(0.02)

def done(bodies):
    return stalled | {client for client in c if any(body in received[client][-9999:] for body in bodies)}
""")
OTHERS = {
    "pour": """
def pour(client, total, size):  # distinct messages, no faster than the sender receives them
    for first in range(0, total // size, batch := max(1, 24000 // size)):
        bodies = (b"%d.%d" % (c.index(client), first + n) for n in range(batch))
        send(client, b"".join(encode(body.ljust(size, b"-")) for body in bodies))
        barrier(client, client)
""",
    "chatter": """
def chatter(senders, count, burst, size):  # all at once, in bursts
    for first in range(0, count, burst):
        for client in senders:
            bodies = (b"%d:%d" % (c.index(client), first + n) for n in range(min(burst, count - first)))
            send(client, b"".join(encode(body.ljust(size, b"~")) for body in bodies))
    for client in senders:
        barrier(client, *c)
""",
    "leave": """
def leave(client, by=""):
    stalled.add(client)
    if by == "RST":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.shutdown(socket.SHUT_WR) if by == "FIN" else client.close()
""",
    "pause": """
def pause(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        take(0.05)
""",
    "used": """
def used():  # resident memory, threads, descriptors
    pid = sys.argv[2]
    lines = [line.strip() for line in open(f"/proc/{pid}/status") if line.startswith(("VmRSS", "Threads"))]
    print(*lines, "descriptors:", len(os.listdir(f"/proc/{pid}/fd")))
""",
}
NEEDS = {"pour": {"barrier"}, "chatter": {"barrier"}}

# For each kind of symptom, the check at the end of the script that detects it.
CHECKS = {
    "created": Template("""\
ever_sent = {body for client in c for body in sent[client]}
for place, client in enumerate(c):
    if strange := [body for body in received[client] if body not in ever_sent]:
        reproduced(f"client {place} received {strange[0]}, which no client sent")
"""),
    "duplicated": Template("""\
times_sent = collections.Counter(body for client in c for body in sent[client])
for place, client in enumerate(c):
    if surplus := collections.Counter(received[client]) - times_sent:
        reproduced(f"client {place} received more often than it was sent: {list(surplus)[0]}")
"""),
    "order": Template("""\
times_sent = collections.Counter(body for client in c for body in sent[client])
chains = [*received.values(), *sent.values(), *answers]
earlier = {body: set() for body, times in times_sent.items() if times == 1}  # what must stand before it
for chain in [[body for body in chain if body in earlier] for chain in chains]:
    for first, second in zip(chain, chain[1:]):
        earlier[second].add(first)
while free := [body for body, before in earlier.items() if not before & earlier.keys()]:
    for body in free:
        del earlier[body]
if earlier:
    reproduced(f"no single order agrees with what all clients saw of {sorted(earlier)[:6]}")
"""),
    "lost": Template("""\
body = $body
if any(body in sent[client] for client in c) and body not in received[c[$client]]:
    reproduced("client $client never received it")
"""),
    "died": Template("""\
try:
    connect()
except OSError as error:
    reproduced(f"the server accepts no connection: {error}")
"""),
    "silent": Template(""),
    "closed": Template(""),
    "used": Template("used()\n"),
    "other": Template("""\
for place, client in enumerate(c):
    print(f"client {place} received", received[client][-5:])
"""),
}

PROGRAM = Template('''\
#!/usr/bin/env python3
"""$title

Usage: python3 $name SERVER [ARGUMENT ...], with the command that runs the server, without its address
"""
import subprocess, sys

server = subprocess.Popen([*sys.argv[1:], $arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
try:
    printed, errors = server.communicate(timeout=3)
    print("the server ended with status", server.returncode)
except subprocess.TimeoutExpired:
    server.kill()
    printed, errors = server.communicate()
    print("after 3 s the server was still running")
print("standard output:", repr(printed[:500]))
print("standard error: ", repr(errors[-500:]))
''')
