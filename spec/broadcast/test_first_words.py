"""The first words of a client: messages whose bytes are those with which clients of other protocols begin."""

from __future__ import annotations

import pytest

from harness.conformance.api import Room

ATTEMPTS = 30  # of a server that loses half of all deliveries
# The first bytes of a client, whose first one is the length of the message.
FIRST_WORDS = {
    "TLS": b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
    "HTTP, GET": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "HTTP, POST": b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP, CONNECT": b"CONNECT localhost:80 HTTP/1.1\r\n\r\n",
    "PROXY, version 1": b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n",
    "PROXY, version 2": b"\r\n\r\n\x00\r\nQUIT\n!\x11",
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "SOCKS 4": b"\x04\x01\x00\x50\x7f",
    "SOCKS 5": b"\x05\x01\x00\x05\x01\x00",
    "MQTT": b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02id\x00",
    "Redis": b"*1\r\n$4\r\nPING\r\n",
    "SMTP": b"HELO localhost\r\n",
    "IRC": b"NICK ann\r\n",
    "telnet": b"\xff\xfd\x18\xff\xfd\x20",
    "a terminal that is closed": b"\x04\x04\x04\x04\x04",
}


@pytest.mark.case(235, "BC-FRAME-4")
async def test_first_words_mean_nothing(room: Room) -> None:
    """BC-FRAME-4: A body may contain any bytes and is forwarded unchanged.

    The first message of a client begins like one of another protocol; of a client that has just come, and of one that
    has received something.
    """
    alice = await room.join_one()
    for has_received in (False, True):
        missing = [(what, words[1:].ljust(words[0], b"\0")[: words[0]]) for what, words in FIRST_WORDS.items()]
        before = {body: room.times_received(alice, body) for _, body in missing}
        for _ in range(ATTEMPTS):
            count = len(missing)
            speakers = await room.join(count) if has_received else [await room.connect() for _ in range(count)]
            for speaker, (_, body) in zip(speakers, missing, strict=True):
                await speaker.send(body)
            await room.barriers(speakers)
            missing = [(what, body) for what, body in missing if room.times_received(alice, body) == before[body]]
            for speaker in speakers:
                await speaker.hang_up()
            if not missing:
                break
        assert not missing, f"first words like those of {missing[0][0]} never arrive, tried {ATTEMPTS} times"
