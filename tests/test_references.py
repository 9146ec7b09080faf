"""References: products in their own protocols beside the league, loaded and verified like servers, and not ranked."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import psutil
import pytest

from harness import plugins
from harness.blocks import BlockResult, Entry, Role
from harness.codec import bodies_of
from harness.commands.measuring import installed_references
from harness.kinds import Reference
from harness.league.block import Block
from harness.league.messages import BlockRequest
from harness.league.profiles import SHORT
from harness.league.report_card import leagues
from harness.league.schedule import Design, Schedule
from harness.league.trial import Cores
from harness.model import Implementation
from harness.report.references import references
from harness.servers.launch import launch
from harness.zoo.discover import why_unavailable
from harness.zoo.toolchains import needs
from tests.simulated_runs import THROUGHPUTS, block_of, run_of, slice_of
from tests.test_schedule import PROFILE, ZOO
from tests.zoo import CONFORMING, implementation

EVERY = plugins.references()
INSTALLED = {each.name for each in installed_references()}
# What each sends to a new client before the first message.
FIRST_WORDS = {
    "redis": b"%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.0.1\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n"
    b":8\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n"
    b">3\r\n$9\r\nsubscribe\r\n$4\r\nroom\r\n:1\r\n",
    "mosquitto": b"\x20\x02\x00\x00\x90\x03\x00\x01\x00",
    "nats": b'INFO {"max_payload":1048576}\r\nPING\r\n',
}
INVALID = {"redis": b"hello\r\n", "mosquitto": b"\x30\xff\xff\xff\xff\x01", "nats": b"MESSAGE room 1 2\r\nab\r\n"}


@pytest.fixture(params=EVERY)
def reference(request: pytest.FixtureRequest) -> Reference:
    return EVERY[request.param]


@pytest.fixture
def installed(reference: Reference) -> Reference:
    if reference.implementation.name not in INSTALLED:
        pytest.skip(why_unavailable(reference.implementation))
    return reference


# --- the codecs


def test_what_is_delivered_is_found_in_whatever_pieces_it_arrives(reference: Reference) -> None:
    codec, bodies = reference.codec, [b"", b"\r\n", bytes(range(256)), b"x" * 300]
    stream = FIRST_WORDS[reference.implementation.name] + b"".join(codec.encode_delivery(each, 1) for each in bodies)
    for step in (1, 7, 64, len(stream)):
        decoder, found = codec.reply_decoder(), list[bytes]()
        frames = [frame for at in range(0, len(stream), step) for frame in decoder.feed(stream[at : at + step])]
        found = bodies_of(frames)
        assert found == bodies
        assert decoder.pending == b""
        assert [frame.offset for frame in frames] == sorted({frame.offset for frame in frames})
        assert frames[0].offset == 0


def test_an_unfinished_message_is_pending(reference: Reference) -> None:
    decoder, message = reference.codec.reply_decoder(), reference.codec.encode_delivery(b"hello", 1)
    for end in range(len(message)):
        decoder = reference.codec.reply_decoder()
        assert decoder.feed(message[:end]) == []
        assert decoder.pending == message[:end]


def test_bytes_of_another_protocol_are_refused(reference: Reference) -> None:
    with pytest.raises(ValueError, match=r"RESP3|four bytes|line of NATS"):
        reference.codec.reply_decoder().feed(INVALID[reference.implementation.name])


# --- the products themselves


async def run_block(*servers: tuple[Entry, Implementation]) -> BlockResult:
    request = BlockRequest(
        number=0,
        spec="broadcast",
        entries=tuple(entry for entry, _ in servers),
        implementations=tuple(server for _, server in servers),
        plan=SHORT,
        rounds=2,
        clients=12,
        idle_clients=24,
    )
    return await Block(request, Cores()).run()


async def test_a_product_is_loaded_and_verified_beside_servers(installed: Reference) -> None:
    product = installed.implementation
    result = await run_block(
        (Entry("conforming"), implementation(CONFORMING)), (Entry(product.name, Role.REFERENCE), product)
    )
    assert result.failed == {}
    own = [each for each in result.slices if each.entry == 1]
    assert {each.kind for each in own} == {"idle", *(plan.kind for plan in SHORT)} - (
        set() if installed.orders_senders else {"all"}
    )
    floods = [each.figures["deliveries_per_s"] for each in own if each.kind in THROUGHPUTS]
    assert min(floods) > 0


async def test_a_product_is_one_process_which_ends_when_it_is_asked_to(installed: Reference) -> None:
    async with launch(installed.implementation) as server:
        process = psutil.Process(server.pid)
        assert process.name() == installed.implementation.needs[0].removeprefix("command:")
        assert process.children() == []
        assert [each.laddr.ip for each in process.net_connections("tcp") if each.status == "LISTEN"] == ["127.0.0.1"]
    assert not process.is_running()


# --- the league


def test_each_block_has_the_references_of_its_spec_until_they_fail() -> None:
    product = EVERY["redis"].implementation
    design = Design(servers=ZOO, controls={}, baselines={}, profile=PROFILE, seed=1, at_once=9, references=[product])
    entry, results = Entry("redis", Role.REFERENCE), list[BlockResult]()
    schedule = Schedule(design, results)
    request = schedule.next_block(math.inf, is_extended=False)
    assert request and entry in request.entries
    assert dict(zip(request.entries, request.implementations, strict=True))[entry] is product
    slices = [slice_of(0, "few", {"deliveries_per_s": 1.0})]
    results.append(block_of(request.entries, slices, failed={str(request.entries.index(entry)): "it died"}))
    request = schedule.next_block(math.inf, is_extended=False)
    assert request and entry not in request.entries


def test_a_reference_has_figures_and_no_rank() -> None:
    run = run_of({"ant": 5e6})
    slow = {"deliveries_per_s": 2.5e6}
    blocks = [
        msgspec.structs.replace(
            block,
            entries=(*block.entries, Entry("redis", Role.REFERENCE)),
            slices=(*block.slices, *(slice_of(len(block.entries), kind, slow) for kind in ("few", "single"))),
        )
        for block in run.blocks
    ]
    info = msgspec.structs.replace(run.info, references=(EVERY["redis"].implementation,))
    (league,) = leagues(type(run)(info, run.cases, run.trials, blocks))
    assert [row.implementation.name for row in league.rows] == ["ant"]
    text = references(league, width=80, style="simple")
    lines = [line.split() for line in text.splitlines()]
    assert ["redis", "2.50", "2.50"] in lines
    assert lines[-1][0] == "ant", "the first server stands beside it"
    assert references(leagues(run)[0], width=80, style="simple") == ""


def test_every_reference_says_how_it_is_installed() -> None:
    for status in needs.survey([each.implementation for each in EVERY.values()]):
        assert status.need.tool.debian == (Path(status.need.label).name,)
