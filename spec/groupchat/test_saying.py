"""Saying: the sender and the content of texts."""

from __future__ import annotations

import pytest

from harness.conformance.api import Client, Room, Violation
from spec.groupchat.membership import join_as, members_seen_by, must_refuse, wait_for_notice
from spec.groupchat.messages import Left
from spec.groupchat.wire import encode_say

TEXTS = [
    "",
    "\0",
    "a\0b",
    "\r\n",
    "line\n",
    " leading and trailing ",
    "\t",
    "\x1b[31mred\x1b[0m",
    "\x7f\x80\x85\x9f",
    "zażółć gęślą jaźń 🦓",
    "\u00e9 e\u0301",
    "\ufeff",
    "\ufffd\ufffe\uffff",
    "\U0010ffff",
    "\u202eabc",
    "한국어 힣 ไทย हिन्दी",  # their first bytes are those of surrogates and of overlong forms, too
    "\u07ff\u0800\ud7ff\ue000\uffff\U00010000",
    "%s%n%x \\n \\x00 &lt;",
    "Said ann hi",
    "\ufeffa byte order mark",
    "no-break\u00a0space  two spaces\u3000wide",
    "\n\n",
    "a\rb",
    "\ufb01 \u2460 \uff71 \u212b \u017f \u0130 \u0131 \u1e9e \u01c5",  # compatibility forms, and letters of rare cases
    "👨\u200d👩\u200d👧 ❤\ufe0f 🏳\ufe0f\u200d🌈 🇫🇷",
    "&amp; <b>bold</b> &nbsp; it's `$(id)` $HOME",
    '{"text": "\\u0041"}',
    *("0", "false", "null", "None"),
    *("/quit", "/nick ann", "/me waves", "quit", "exit", "PING", "@bo hi", ":smile:"),  # commands elsewhere
]
UNSEEN = [0xAD, 0x34F, 0x61C, 0x180E, *range(0x200B, 0x2010), *range(0x2028, 0x2030), *range(0x2060, 0x2070)]
UNSEEN += [0xFE0F, 0xFEFF, 0xFFF9, 0xFFFB, 0xE0001, 0xE0020]  # code points without a width, and of directions
TRIES = 20


@pytest.mark.smoke
@pytest.mark.case(141, "GC-SAY-1")
async def test_texts_come_under_the_name_of_their_sender(room: Room) -> None:
    """GC-SAY-1: Said has the name of the client that sent the text.

    Eight clients with names of all kinds send concurrently, in long bursts and in short ones; then texts that the
    server finds all at the same moment. The judge of histories compares the names.
    """
    names = ["ann", "🦓" * 32, " ", "x", "Ωμέγα", "null", "n" * 32, "a b"]
    everybody = [await join_as(room, name) for name in names]
    await room.chatter(everybody, 200, burst=40)
    await room.chatter(everybody, 60, burst=1)
    for _ in room.rounds(40, seconds=3):
        with room.server_paused():
            for client in everybody:
                await client.send(*(client.next_body(size) for size in (0, 3, 200)))
        await room.barrier(everybody[0])
    for client in everybody:
        members_seen_by(client)


@pytest.mark.case(142, "GC-SAY-1")
async def test_texts_keep_their_sender_while_names_change_hands(room: Room) -> None:
    """GC-SAY-1: Said has the name of the client that sent the text.

    A client sends a hundred texts and leaves; the next one takes its place, perhaps its descriptor, and sends.
    """
    alice, bob = await room.join(2)
    for turn in range(20):
        visitor = await join_as(room, f"visitor {turn}")
        await visitor.send(*(visitor.next_body(30) for _ in range(100)))
        await alice.send(*(alice.next_body(30) for _ in range(10)))
        await (visitor.leave, visitor.reset, visitor.hang_up)[turn % 3]()
    for client in (alice, bob):
        await room.barrier(client)
        members_seen_by(client)


@pytest.mark.smoke
@pytest.mark.case(143, "GC-SAY-2")
async def test_a_text_is_any_text_and_comes_unaltered(room: Room) -> None:
    """GC-SAY-2: A text may be any Unicode text of at most 32,768 bytes in UTF-8, including the empty one, and is
    forwarded unchanged.

    The empty text, control characters, both normal forms, the last code point; what nobody sees, such as soft hyphens;
    each ASCII character three times.
    """
    alice, bob = await room.join(2)
    texts = [text.encode() for text in TEXTS] + [f"a{chr(point)}b".encode() for point in UNSEEN]
    texts += [bytes((value,)) * 3 for value in range(128)]
    await room.deliver(alice, texts, [alice, bob])


@pytest.mark.smoke
@pytest.mark.case(144, "GC-SAY-2")
async def test_the_longest_texts_come_whole(room: Room) -> None:
    """GC-SAY-2: A text may be any Unicode text of at most 32,768 bytes in UTF-8, including the empty one, and is
    forwarded unchanged.

    32,768 bytes, or one or two less, of one to four bytes per character, so that characters lie across all places where
    a server may cut; from the clients with the shortest and the longest name.
    """
    short, long = await join_as(room, "x"), await join_as(room, "🦓" * 32)
    for sender in (short, long):
        texts = [sender.next_body(32_768), "🦓".encode() * 8192, "é".encode() * 16_384, sender.next_body(4097)]
        texts += [("ab"[:shift] + "🦓" * 8191).encode() for shift in (1, 2)] + ["€".encode() * 10_922]
        await room.deliver(sender, texts, [short, long], at_once=1)


@pytest.mark.case(145, "GC-SAY-3")
async def test_a_longer_text_is_refused_and_not_forwarded(room: Room) -> None:
    """GC-SAY-3: A longer text is refused.

    One byte too many, up to as many as fit into a frame; of one, three and four bytes per character.
    """
    alice, bob = await room.join(2)
    for text in (b"~" * 32_769, b"~" * 32_770, "€".encode() * 10_923, "🦓".encode() * 8193, b"~" * 65_531):
        await must_refuse(alice, encode_say(text), f"a text of {len(text)} bytes")
    await room.deliver(alice, [b"shorter now"], [alice, bob])
    await _must_have_received_only_short_texts(room, [alice, bob])


async def _must_have_received_only_short_texts(room: Room, clients: list[Client]) -> None:
    for client in clients:
        longest = max(len(room.messages.bodies[number]) for number in client.received)
        assert longest < 1000, f"{client} received a text of {longest} bytes"


@pytest.mark.case(232, "GC-DELIVER-5")
async def test_who_comes_back_may_say_the_same_again(room: Room) -> None:
    """GC-DELIVER-5: Messages with equal bodies are different messages.

    Somebody joins, sends a text and a FIN, joins again once Left has arrived, and sends the same text, until it has
    arrived again; first under one name, then under another one than before each time.
    """
    alice, bob = await room.join(2)
    for names in (("zoe",), ("xia", "yan")):
        text = f"{names[0]} is here".encode()
        missing: dict[Client, int] = {}  # those it has not arrived at again, and how often it has arrived there
        for turn in range(1 + TRIES):
            name = names[turn % len(names)]
            visitor = await join_as(room, name)
            await visitor.send(text)  # all that it says, so that its last text is the first of the next
            await visitor.close_sending()
            for client in (alice, bob):
                await wait_for_notice(client, Left(name), turn // len(names) + 1)  # the text came before, or was lost
            await visitor.hang_up()
            await room.barrier(alice, [alice, bob])
            if not turn:
                missing = {client: room.times_received(client, text) for client in (alice, bob)}
            missing = {client: times for client, times in missing.items() if room.times_received(client, text) == times}
            if not missing:
                break
        else:
            raise Violation(
                f"clients that joined as {' or '.join(names)} sent {text.decode()!r} {1 + TRIES} times, and after the "
                f"first time it never arrived at {', '.join(map(str, missing))}",
                clients=tuple(client.number for client in missing),
            )
