"""The pieces of a script that shows a failure again: plain Python, with `$name` for what differs.

A script has only the pieces that it needs (see `harness.conformance.reproduce.full_script`). In all of them `c` is the list
of connections; `heard` and `sent` are lists of bodies by connection, `rest` and `half` the bytes that complete
none yet; `deaf` are those that are not read.
"""

from __future__ import annotations

from string import Template

HEAD = Template('''\
#!/usr/bin/env python3
"""$title

Start the server, then: python3 $name ADDRESS$pid
Exit status 1: seen again. 0: not this time.
"""
import $modules

host, _, port = sys.argv[1].rpartition(":")
c, heard, rest, sent, half, deaf = [], {}, {}, {}, {}, set()

$framing

def seen(what):
    sys.exit(f"SEEN AGAIN: {what}")

def connect(greeting=b""):
    one = socket.create_connection((host.strip("[]"), int(port)), 5)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    heard[one], rest[one], sent[one], half[one] = [], b"", [], b""
    c.append(one)
    one.sendall(greeting)

def take(seconds):  # whatever comes for those who read
    for one in select.select([one for one in c if one not in deaf], [], [], seconds)[0]:
        try:
            data = one.recv(65536)
        except OSError:
            data = b""
        bodies, rest[one] = split(rest[one] + data)
        heard[one] += bodies
        if not data:
            $closed

def send(one, data, times=1):
    for _ in range(times):
        try:
            one.sendall(data)
        except OSError:  # it takes no more
            return
$answer        bodies, half[one] = split(half[one] + data)
        sent[one] += bodies
        take(0)
''')
CLOSED_IS_IT = 'seen(f"client {c.index(one)}, which reads, was disconnected")'
CLOSED_IS_FINE = "deaf.add(one)"
ANSWER = "        answers.append([*heard[one][-1:], *split(half[one] + data)[0][:1]])\n"
SILENCE_IS_IT = 'seen(f"client {min(map(c.index, waiting))} hears nothing")'
SILENCE_IS_FINE = "return"

FENCE = Template("""
def fence(speaker, *hearers):  # until all of them have heard something that is said now
    words, end = [], time.monotonic() + $patience
    while not words or (waiting := {one for one in hearers if one not in deaf} - done(words)):
        if time.monotonic() > end:
            $silence
        words.append(b"fence %d" % time.monotonic_ns())
        send(speaker, encode(words[-1]))
        again = time.monotonic() + 0.2
        while time.monotonic() < again and not done(words).issuperset(hearers):
            take(0.02)

def done(words):
    return deaf | {one for one in c if any(word in heard[one][-9999:] for word in words)}
""")
OTHERS = {
    "pour": """
def pour(one, total, size):  # distinct messages, no faster than the speaker hears them
    for first in range(0, total // size, batch := max(1, 24000 // size)):
        bodies = (b"%d.%d" % (c.index(one), first + n) for n in range(batch))
        send(one, b"".join(encode(body.ljust(size, b"-")) for body in bodies))
        fence(one, one)
""",
    "chatter": """
def chatter(speakers, count, burst, size):  # all at once, in bursts
    for first in range(0, count, burst):
        for one in speakers:
            bodies = (b"%d:%d" % (c.index(one), first + n) for n in range(burst))
            send(one, b"".join(encode(body.ljust(size, b"~")) for body in bodies))
    for one in speakers:
        fence(one, *c)
""",
    "leave": """
def leave(one, by=""):
    deaf.add(one)
    if by == "RST":
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.shutdown(socket.SHUT_WR) if by == "FIN" else one.close()
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
NEEDS = {"pour": {"fence"}, "chatter": {"fence"}}

# For each kind of symptom, how it is seen again when all has been done.
CHECKS = {
    "created": Template("""\
said = {body for one in c for body in sent[one]}
for place, one in enumerate(c):
    if strange := [body for body in heard[one] if body not in said]:
        seen(f"client {place} received {strange[0]}, which nobody sent")
"""),
    "duplicated": Template("""\
said = collections.Counter(body for one in c for body in sent[one])
for place, one in enumerate(c):
    if surplus := collections.Counter(heard[one]) - said:
        seen(f"client {place} received more often than it was sent: {list(surplus)[0]}")
"""),
    "order": Template("""\
said = collections.Counter(body for one in c for body in sent[one])
chains = [*heard.values(), *sent.values(), *answers]
earlier = {body: set() for body, times in said.items() if times == 1}  # what must stand before it
for chain in [[body for body in chain if body in earlier] for chain in chains]:
    for first, second in zip(chain, chain[1:]):
        earlier[second].add(first)
while free := [body for body, some in earlier.items() if not some & earlier.keys()]:
    for body in free:
        del earlier[body]
if earlier:
    seen(f"no one order fits what all clients saw of {sorted(earlier)[:6]}")
"""),
    "lost": Template("""\
body = $body
if any(body in sent[one] for one in c) and body not in heard[c[$client]]:
    seen("client $client never received it")
"""),
    "died": Template("""\
try:
    connect()
except OSError as error:
    seen(f"it does not even accept: {error}")
"""),
    "silent": Template(""),
    "closed": Template(""),
    "used": Template("used()\n"),
    "other": Template("""\
for place, one in enumerate(c):
    print(f"client {place} received", heard[one][-5:])
"""),
}

PROGRAM = Template('''\
#!/usr/bin/env python3
"""$title

python3 $name SERVER [ARGUMENT ...]: the command that runs the server, without its address
"""
import subprocess, sys

server = subprocess.Popen([*sys.argv[1:], $arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
try:
    printed, errors = server.communicate(timeout=3)
    print("it ended with status", server.returncode)
except subprocess.TimeoutExpired:
    server.kill()
    printed, errors = server.communicate()
    print("after 3 s it was still running")
print("standard output:", repr(printed[:500]))
print("standard error: ", repr(errors[-500:]))
''')
