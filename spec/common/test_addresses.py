"""Starting: text that resembles an address, and where a server listens that takes it for one."""

from __future__ import annotations

from contextlib import suppress

import pytest

from harness.conformance.api import LaunchError, Server, Start, Violation, listening_addresses, wait_until_ready

EXIT_S = 20.0  # of the server's time: a runtime may take seconds to start
ANY = ("0.0.0.0", "[::]")
LOOPBACK = "127.0.0.1"
# The second one is 127.0.0.1 where its first number is cut to a byte; no machine has the last two (RFC 5737, RFC 3849).
OTHER_HOSTS = ("nowhere.invalid", "383.0.0.1", "192.0.2.1", "[2001:db8::1]")
RESEMBLING = (
    ("an empty host", (":{port}", "[]:{port}")),
    ("text behind the port", ("127.0.0.1:{port}x", "127.0.0.1:{port}/", "127.0.0.1:{port}:1")),
    ("a sign", ("127.0.0.1:+{port}", "127.0.0.1:-{port}")),
    ("a blank", (" 127.0.0.1:{port}", "127.0.0.1:{port} ", "127.0.0.1: {port}", "127.0.0.1 :{port}")),
    ("a line end", ("127.0.0.1:{port}\n", "127.0.0.1\n:{port}")),
    ("a port that is too large", ("127.0.0.1:65536", "127.0.0.1:{wrapped}", "127.0.0.1:{wrapped_twice}")),
    ("a port in another notation", ("127.0.0.1:0x{port:x}",)),
    ("an IPv6 address without brackets", ("::1:{port}",)),
    ("text beside the brackets", ("[::1]x:{port}", "[::1]{port}", "x[::1]:{port}")),
    ("too many brackets", ("[[::1]]:{port}", "[127.0.0.1]:{port}")),
    ("unbalanced brackets", ("[::1:{port}", "::1]:{port}", "[127.0.0.1:{port}", "127.0.0.1]:{port}")),
)


@pytest.mark.parametrize(("what", "texts"), RESEMBLING, ids=[what.replace(" ", "-") for what, _ in RESEMBLING])
@pytest.mark.case(91, "START-10")
async def test_what_only_resembles_an_address_is_refused(start: Start, what: str, texts: tuple[str, ...]) -> None:
    """START-10: Given a malformed address, a server exits promptly with a non-zero status and a message on standard
    error.

    No host, text behind the port, signs, blanks, line ends, ports that are 65536 too large, or not decimal,
    and brackets that are unbalanced, missing, in the wrong place, or too many.
    """
    port = start.address().port
    given = [text.format(port=port, wrapped=port + 65536, wrapped_twice=port + 65536 * 65536) for text in texts]
    programs = [(text, await start.program(text)) for text in given]
    wrong = {text: problem for text, program in programs if (problem := await _problem(program))}
    assert not wrong, f"given {what}: " + "; ".join(f'"{text}": {problem}' for text, problem in sorted(wrong.items()))


async def _problem(program: Server) -> str:
    """Return what is wrong with what a program does that was given a malformed address, or ""."""
    try:
        await wait_until_ready(program, EXIT_S)
    except LaunchError:
        if program.status is None:
            return f"it had not exited after {EXIT_S:.0f} s"
        if program.status == 0:
            return "it exited with status 0"
        return "" if program.stderr.last_words() else "it exited without a message on standard error"
    return "it is taken for an address"


@pytest.mark.case(92, "START-7")
async def test_a_host_that_is_missing_or_in_another_notation_is_not_every_host(start: Start) -> None:
    """START-7: A server listens on the address it was given and on no other.

    Given a port and no host, a host that does not exist, an address of another machine, or a number that is too large,
    it must not listen on every address, nor on 127.0.0.1 for another host; given 127.0.0.1 in hexadecimal, in octal or
    in short form, it may refuse it, or listen on 127.0.0.1 and nowhere else.
    """
    port = start.address().port
    no_host = dict.fromkeys(("", "[]", *OTHER_HOSTS), "")
    for host, meant in {**no_host, **dict.fromkeys(("127.1", "0177.0.0.1", "0x7f.0.0.1"), LOOPBACK)}.items():
        program = await start.program(f"{host}:{port}")
        with suppress(LaunchError):
            await wait_until_ready(program, EXIT_S)
        wrong = [
            address
            for address in listening_addresses(program)
            if (address != f"{meant}:{port}" if meant else address.startswith(ANY))
            or (host in OTHER_HOSTS and address == f"{LOOPBACK}:{port}")
        ]
        if wrong:
            raise Violation(f'given the address "{host}:{port}", it listens on {", ".join(wrong)}')
        await program.stop(grace_s=1)
