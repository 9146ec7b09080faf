"""The schedule of a run's blocks: which spec comes next, with which servers, and when there are no more."""

from __future__ import annotations

import math
import resource
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from types import SimpleNamespace

import psutil
import pytest

from harness.blocks import BlockResult, Entry, Role, SlicePlan
from harness.league import schedule as schedule_module
from harness.league.baseline_relay import NAME as BASELINE
from harness.league.block_time import IDLE_S, SLICE_S, START_S, Contents, expected_s
from harness.league.comparisons import LOOK, Comparisons, compare
from harness.league.inference import Floats, fewest_blocks
from harness.league.measures import floods
from harness.league.messages import BlockRequest
from harness.league.profiles import IDLE_BLOCKS, PROFILES, SLICES, Profile
from harness.league.schedule import (
    BYTES_EACH,
    FEW_SERVERS,
    FEWEST_ROUNDS,
    FIRST_ROUNDS,
    LATER_ROUNDS,
    MOST_ANNOUNCED,
    OTHER_DESCRIPTORS,
    OTHER_ENTRIES,
    Design,
    Schedule,
    choose_controls,
    fitting_idle_clients,
    servers_at_once,
    suited_idle_clients,
)
from harness.model import Implementation
from tests.simulated_runs import THROUGHPUTS, server, slice_of

PROFILE = Profile("quick", 12, 4, SLICES)
ZOO = [server(name) for name in ("ant", "bee", "cow")]
FLOODS = Contents(1, floods(SLICES), 0)
FEWEST = Contents(1, SLICES, 1000)  # of a block that measures everything
LEVELS = {"ant": 3e6, "bee": 2e6, "cow": 1e6}

Rate = Callable[[str, int], float]  # deliveries a second, by the name of the server and the number of the block


def distinct(name: str, number: int) -> float:
    """All differ much."""
    return LEVELS.get(name, 1e5) * (1 + number / 99)


def tied(name: str, number: int) -> float:
    """Ant and bee do not differ: each is ahead in half of the blocks; cow is far behind."""
    level = {"ant": 100.0, "bee": 100.0, "cow": 10.0}[name]
    return level * (1.2 if (number + (name == "ant")) % 2 else 0.8)


def all_tied(name: str, number: int) -> float:
    """No two servers differ: each has its own pattern of good and bad blocks."""
    return 100.0 * (1.5 if (number >> (ord(name[0]) % 3)) % 2 else 0.7)


def design(
    servers: Sequence[Implementation] = ZOO,
    *,
    controls: Mapping[str, Sequence[str]] | None = None,
    baselines: Mapping[str, Implementation] | None = None,
    profile: Profile = PROFILE,
    seed: int = 1,
    at_once: int = 99,
) -> Design:
    return Design(
        servers=servers,
        controls=controls or {},
        baselines=baselines or {},
        profile=profile,
        seed=seed,
        at_once=at_once,
    )


def result_of(
    request: BlockRequest, rate: Rate = distinct, *, failed: Sequence[str] = (), seconds: float = 1.0
) -> BlockResult:
    """Return the result of a block that was never made, in which some servers failed; controls differ by chance."""
    chance = {Role.CONTROL: 1.01 if request.number % 2 else 0.99}
    return BlockResult(
        number=request.number,
        spec=request.spec,
        entries=request.entries,
        slices=tuple(
            slice_of(place, kind, {"deliveries_per_s": rate(entry.name, request.number) * chance.get(entry.role, 1.0)})
            for place, entry in enumerate(request.entries)
            for kind in [*THROUGHPUTS, *(["idle"] if request.idle_clients else [])]
        ),
        plan=request.plan,
        failed={str(place): "it died" for place, entry in enumerate(request.entries) if entry.name in failed},
        seconds=seconds,
    )


def run(
    planned: Design,
    rate: Rate = distinct,
    *,
    done: Sequence[BlockResult] = (),
    is_extended: bool = False,
    at_most: int = 99,
    failing: Mapping[str, int] | None = None,
) -> list[BlockRequest]:
    """Return the blocks of a run from beginning to end, or the rest of one.

    Args:
        planned: its design.
        rate: of the servers.
        done: the results of an earlier part.
        is_extended: whether there may be more blocks than planned.
        at_most: how many blocks are made.
        failing: server → the number of the block in which it fails.
    """
    results, requests = list(done), list[BlockRequest]()
    schedule = Schedule(planned, results)
    while len(requests) < at_most and (request := schedule.next_block(math.inf, is_extended=is_extended)):
        requests.append(request)
        failed = [name for name, number in (failing or {}).items() if number == request.number]
        results.append(result_of(request, rate, failed=failed))
    return requests


def names(request: BlockRequest) -> list[str]:
    return [entry.name for entry in request.entries]


def order(requests: Sequence[BlockRequest]) -> str:
    """Return the specs of blocks by their first letters."""
    return "".join(request.spec[0] for request in requests)


# --- a block


def test_a_block_has_the_slices_and_clients_of_the_profile_and_says_how_each_server_starts() -> None:
    (request,) = run(design(), at_most=1)
    assert (request.number, request.spec, request.seed) == (0, "broadcast", 1)
    assert (request.plan, request.rounds, request.clients) == (SLICES, PROFILE.rounds, PROFILE.clients)
    assert request.entries == (Entry("ant"), Entry("bee"), Entry("cow"))
    assert request.implementations == tuple(ZOO)


def test_controls_and_the_baseline_are_in_every_block_beside_the_servers() -> None:
    relays = {"broadcast": server(BASELINE), "channels": server(BASELINE, "channels")}
    requests = run(design(controls={"broadcast": ["bee", "cow"]}, baselines=relays), all_tied)
    assert len(requests) == PROFILE.blocks
    extra = {Entry("bee", Role.CONTROL), Entry("cow", Role.CONTROL), Entry(BASELINE, Role.BASELINE)}
    for request in requests:
        assert set(request.entries) == {Entry("ant"), Entry("bee"), Entry("cow")} | extra
        by_entry = dict(zip(request.entries, request.implementations, strict=True))
        assert all(by_entry[entry].name == entry.name for entry in request.entries)
        assert by_entry[Entry(BASELINE, Role.BASELINE)] is relays["broadcast"]


def test_a_control_is_only_where_its_server_is() -> None:
    """Cow is decided at the first look, and its control has nothing to be compared with from then on."""
    requests = run(design(controls={"broadcast": ["cow", "ant"]}), tied)
    assert [Entry("cow", Role.CONTROL) in request.entries for request in requests] == LOOK * [True] + 4 * [False]
    assert all(Entry("ant", Role.CONTROL) in request.entries for request in requests)


def test_idle_clients_are_only_in_the_first_blocks_of_each_spec() -> None:
    servers = [server("ant"), server("bee"), server("ant", "channels"), server("bee", "channels")]
    for spec in ("broadcast", "channels"):
        idle = [request.idle_clients for request in run(design(servers), all_tied) if request.spec == spec]
        assert idle == IDLE_BLOCKS * [PROFILE.idle_clients] + (PROFILE.blocks - IDLE_BLOCKS) * [0]


def test_latency_is_in_every_second_block_after_those_that_measure_everything() -> None:
    requests = run(design(), all_tied, is_extended=True, at_most=IDLE_BLOCKS + 6)
    assert [request.plan for request in requests] == [SLICES] * IDLE_BLOCKS + 3 * [floods(SLICES), SLICES]


# --- the first pass of many servers

NAMES = (
    *("ant", "bee", "cow", "dog", "eel", "fox", "gnu", "hen"),
    *("ibis", "jay", "kea", "lynx", "mole", "newt", "orca", "pika"),
)
MANY = [server(name) for name in NAMES]


def test_many_servers_have_a_first_pass_of_floods_alone_and_then_everything_is_measured() -> None:
    assert len(MANY) == FEW_SERVERS
    requests = run(design(MANY, profile=replace(PROFILE, idle_clients=500)), all_tied)
    assert len(requests) == LOOK + PROFILE.blocks
    contents = [(request.plan, request.rounds, request.idle_clients) for request in requests]
    assert contents[:LOOK] == LOOK * [(floods(SLICES), FIRST_ROUNDS, 0)]
    assert contents[LOOK:][:IDLE_BLOCKS] == IDLE_BLOCKS * [(SLICES, PROFILE.rounds, 500)]
    assert {contents[1:] for contents in contents[LOOK + IDLE_BLOCKS :]} == {(LATER_ROUNDS * PROFILE.rounds, 0)}
    assert floods(SLICES) and set(floods(SLICES)) < set(SLICES)


def test_few_servers_or_few_blocks_have_no_first_pass() -> None:
    assert run(design(MANY[1:]), at_most=1)[0].plan == SLICES
    assert run(design(MANY, profile=replace(PROFILE, blocks=1)), at_most=1)[0].plan == SLICES


def test_each_group_has_a_first_pass_of_its_own() -> None:
    requests = run(design(MANY, at_once=8), all_tied, at_most=6 * LOOK)
    assert [request.idle_clients > 0 for request in requests[: 4 * LOOK + 1]] == 4 * LOOK * [False] + [True]


def test_no_server_is_left_out_before_everything_was_measured_of_all() -> None:
    """Most are decided at the first look."""

    def rate(name: str, number: int) -> float:
        own = {"ant": 1.2, "bee": 0.8}.get(name, 0.0)
        return own ** (1 if number % 2 else -1) if own else 10.0 ** ord(name[0])

    counts = [len(names(request)) for request in run(design(MANY), rate)]
    assert counts[: LOOK + IDLE_BLOCKS] == (LOOK + IDLE_BLOCKS) * [16]
    assert max(counts[LOOK + IDLE_BLOCKS :]) < 4


def test_first_passes_come_before_all_else_and_then_each_spec_in_turn() -> None:
    few = [server(name, "groupchat") for name in ("ant", "bee")]
    other = [server(each.name, "channels") for each in [*MANY, server("quail")]]
    specs = order(run(design([*few, *MANY, *other]), all_tied))
    assert specs[: 2 * LOOK] == LOOK * "c" + LOOK * "b"
    assert specs[2 * LOOK :][: 3 * IDLE_BLOCKS] == IDLE_BLOCKS * "cbg"


def test_first_passes_take_turns_where_there_is_no_time_for_all_of_them() -> None:
    other = [server(each.name, "channels") for each in [*MANY, server("quail")]]
    results: list[BlockResult] = []
    schedule, left_s = Schedule(design([*MANY, *other]), results), LOOK * 33 * FLOODS.seconds_each - 0.1
    requests = []
    while request := schedule.next_block(left_s, is_extended=False):
        requests.append(request)
        results.append(result_of(request, all_tied, seconds=len(request.entries) * FLOODS.seconds_each))
        left_s -= results[-1].seconds
    assert order(requests) == (LOOK * "cb")[:-1]
    assert {request.rounds for request in requests} == {1}


def test_a_spec_of_few_servers_takes_its_turn_where_there_is_no_time_for_the_first_pass_of_another() -> None:
    few = [server(name, "channels") for name in ("ant", "bee")]
    left_s, results = LOOK * 16 * FLOODS.seconds_each - 0.1, list[BlockResult]()
    schedule = Schedule(design([*MANY, *few]), results)
    for _ in range(4):
        request = schedule.next_block(left_s, is_extended=False)
        assert request
        seconds = len(request.entries) * Contents(request.rounds, request.plan, request.idle_clients).seconds_each
        results.append(result_of(request, all_tied, seconds=seconds))
        left_s -= seconds
    assert [result.spec for result in results] == 2 * ["broadcast", "channels"]


def test_fewer_idle_clients_where_each_is_announced_to_all_others() -> None:
    for spec, idle in (("broadcast", 1000), ("channels", 1000), ("groupchat", MOST_ANNOUNCED)):
        (request,) = run(design([server("ant", spec), server("bee", spec)]), at_most=1)
        assert request.idle_clients == idle
    assert suited_idle_clients("groupchat", 50) == 50


def test_how_long_a_block_takes_is_known_from_one_that_measured_the_same() -> None:
    results: list[BlockResult] = []
    schedule = Schedule(design(), results)
    for _ in range(IDLE_BLOCKS + 1):
        request = schedule.next_block(math.inf, is_extended=False)
        assert request
        results.append(result_of(request, all_tied, seconds=30.0 if request.idle_clients else 10.0))
    other = Contents(1, SLICES, 0)
    assert expected_s(3, Contents(1, SLICES, 1000), results) == pytest.approx(30.0)
    assert expected_s(6, Contents(1, floods(SLICES), 0), results) == pytest.approx(20.0)
    assert expected_s(3, other, results) == pytest.approx(10.0 * other.seconds_each / FLOODS.seconds_each)


def test_what_a_block_takes_is_the_start_of_its_servers_and_their_slices() -> None:
    plan = (SlicePlan("few", 0.02), SlicePlan("paced", 0.2, every=2))
    assert Contents(3, plan, 0).seconds_each == pytest.approx(START_S + 3 * 0.02 + 2 * 0.2 + 5 * SLICE_S)
    assert Contents(3, plan, 1000).seconds_each == pytest.approx(Contents(3, plan, 0).seconds_each + IDLE_S)
    assert expected_s(7, FLOODS, []) == pytest.approx(7 * FLOODS.seconds_each)


def test_how_long_blocks_of_another_spec_take_is_known_from_those_that_were_made() -> None:
    results: list[BlockResult] = []
    schedule = Schedule(design([*ZOO, server("dog", "channels"), server("eel", "channels")]), results)
    request = schedule.next_block(math.inf, is_extended=False)
    assert request and request.spec == "broadcast"
    results.append(result_of(request, seconds=300.0))
    left_s = 200.0 * FEWEST.seconds_each / FEWEST.seconds_each
    assert schedule.next_block(left_s / 2, is_extended=False) is None
    request = schedule.next_block(left_s + 0.1, is_extended=False)
    assert request and request.spec == "channels"


# --- how many blocks


def test_there_are_as_many_blocks_as_planned_or_more_when_the_run_is_extended() -> None:
    assert [request.number for request in run(design(), all_tied)] == list(range(PROFILE.blocks))
    assert len(run(design(), all_tied, is_extended=True, at_most=40)) == 40


def test_a_server_alone_has_no_more_blocks_than_planned() -> None:
    assert len(run(design(ZOO[:1]), is_extended=True)) == PROFILE.blocks


def test_a_resumed_run_goes_on_where_it_was() -> None:
    whole = run(design(), tied)
    results = [result_of(request, tied) for request in whole]
    for many in (0, 5, LOOK, len(whole) - 1, len(whole)):
        assert run(design(), tied, done=results[:many]) == whole[many:]


def test_a_block_that_does_not_fit_into_the_time_left_is_not_started() -> None:
    """A server takes as long as in the block before; before the first one it is a guess."""
    results: list[BlockResult] = []
    schedule = Schedule(design(controls={"broadcast": ["ant"]}), results)
    least_s = Contents(1, SLICES, 1000).seconds_each
    assert schedule.next_block(4 * least_s - 0.01, is_extended=False) is None
    request = schedule.next_block(4 * least_s, is_extended=False)
    assert request and request.rounds == 1
    results.append(result_of(request, seconds=20.0))
    assert schedule.next_block(19.9, is_extended=True) is None
    assert schedule.next_block(20.1, is_extended=False)
    results.append(result_of(request, failed=["cow"], seconds=20.0))
    assert schedule.next_block(14.9, is_extended=False) is None
    assert schedule.next_block(15.1, is_extended=False), "without the server that failed it takes less time"


def test_blocks_have_fewer_rounds_where_the_time_suffices_only_for_a_few_blocks() -> None:
    servers = [*ZOO, *(server(each.name, "channels") for each in ZOO)]
    planned = design(servers, profile=replace(PROFILE, rounds=6))

    def needed_s(rounds: int) -> float:
        later = [Contents(LATER_ROUNDS * rounds, plan, 0) for plan in (floods(SLICES), SLICES)]
        blocks = [*IDLE_BLOCKS * [Contents(rounds, SLICES, 1000)], *LOOK // 2 * later]
        return 2 * (3 + OTHER_ENTRIES) * sum(block.seconds_each for block in blocks)

    rounds = [
        request.rounds
        for time_s in (needed_s(6) + 0.1, needed_s(6) - 0.1, needed_s(4) + 0.1, needed_s(4) - 0.1, needed_s(2) / 2)
        if (request := Schedule(planned, []).next_block(time_s, is_extended=False))
    ]
    assert rounds == [6, 5, 4, 3, FEWEST_ROUNDS]


def test_the_last_block_has_as_many_rounds_as_there_is_time_for() -> None:
    results: list[BlockResult] = []
    schedule = Schedule(design(), results)
    for _ in range(IDLE_BLOCKS + LOOK):
        request = schedule.next_block(math.inf, is_extended=True)
        assert request
        results.append(
            result_of(request, all_tied, seconds=3 * Contents(1, request.plan, request.idle_clients).seconds_each)
        )
    for rounds, plan in ((4, floods(SLICES)), (6, SLICES)):
        left_s = 3 * Contents(rounds, plan, 0).seconds_each
        request = schedule.next_block(left_s + 0.01, is_extended=True)
        assert request and request.rounds == rounds


def test_where_a_block_of_one_spec_does_not_fit_one_of_a_smaller_spec_may() -> None:
    servers = [*ZOO, server("dog", "channels"), server("eel", "channels")]
    request = Schedule(design(servers), []).next_block(2.5 * FEWEST.seconds_each, is_extended=False)
    assert request and request.spec == "channels"


# --- which spec


def test_all_specs_get_the_fewest_blocks_for_significance_before_any_gets_more() -> None:
    servers = [server(name, spec) for spec in ("broadcast", "channels") for name in ("ant", "bee", "cow")]
    specs = order(run(design(servers), all_tied))
    first = specs[: 2 * fewest_blocks()]
    assert first.count("b") == first.count("c") == fewest_blocks()
    assert all(abs(first[:end].count("b") - first[:end].count("c")) <= 1 for end in range(len(first)))
    assert len(specs) == 2 * PROFILE.blocks


def test_then_a_block_goes_where_most_servers_are_undecided_for_the_number_of_blocks() -> None:
    many = [server(name, "channels") for name in ("ant", "bee", "cow", "dog", "eel", "fox")]
    specs = order(run(design([*ZOO, *many]), all_tied, is_extended=True, at_most=48))
    assert specs[2 * fewest_blocks() :].startswith("cc"), "a spec with twice the servers is more urgent"
    assert specs.count("c") == pytest.approx(2 * specs.count("b"), abs=2)


def test_a_spec_that_is_decided_leaves_the_time_to_the_others() -> None:
    servers = [*ZOO, server("dog", "channels"), server("eel", "channels")]

    def rate(name: str, number: int) -> float:
        return distinct(name, number) if name in LEVELS else all_tied(name, number)

    requests = run(design(servers), rate, is_extended=True, at_most=40)
    assert order(requests).count("b") == LOOK
    assert order(requests).count("c") == 40 - LOOK


# --- which servers


def test_a_run_ends_at_the_first_look_when_all_servers_differ() -> None:
    assert len(run(design(), distinct)) == LOOK
    assert len(run(design(), distinct, is_extended=True)) == LOOK


def test_after_the_first_look_a_block_has_only_the_undecided_servers() -> None:
    requests = run(design(), tied, is_extended=True, at_most=15)
    assert [names(request) for request in requests] == LOOK * [["ant", "bee", "cow"]] + 7 * [["ant", "bee"]]


def test_undecided_servers_are_determined_again_at_twice_the_blocks() -> None:
    """Bee falls behind from the first look on: at the second that is significant, and nothing is left to do."""

    def rate(name: str, number: int) -> float:
        late = {"ant": 100.0, "bee": 1.0, "cow": 10.0}
        return tied(name, number) if number < LOOK else late[name] * (1 + number / 99)

    requests = run(design(), rate, is_extended=True)
    assert len(requests) == 2 * LOOK
    assert names(requests[-1]) == ["ant", "bee"]


def test_a_single_server_is_measured_in_all_blocks() -> None:
    """It has no neighbour to differ from, and its figures get better."""
    assert len(run(design([server("ant")]))) == PROFILE.blocks


def test_a_server_that_failed_is_out_and_its_control_too() -> None:
    requests = run(design(controls={"broadcast": ["bee"]}), all_tied, failing={"bee": 2})
    assert [names(request) for request in requests[:3]] == 3 * [["ant", "bee", "cow", "bee"]]
    assert [names(request) for request in requests[3:]] == (PROFILE.blocks - 3) * [["ant", "cow"]]


def test_there_is_no_block_of_a_spec_whose_servers_have_all_failed() -> None:
    relays = {"broadcast": server(BASELINE)}
    assert len(run(design(baselines=relays), failing={"ant": 0, "bee": 0, "cow": 0})) == 1


def test_a_baseline_that_failed_does_not_take_servers_with_it() -> None:
    requests = run(design(baselines={"broadcast": server(BASELINE)}), all_tied, failing={BASELINE: 0})
    assert len(requests) == PROFILE.blocks
    assert all(names(request)[:3] == ["ant", "bee", "cow"] for request in requests)


# --- more servers than fit into one block

SIX = [server(name) for name in ("ant", "bee", "cow", "dog", "eel", "fox")]


def test_servers_that_do_not_fit_together_are_dealt_into_groups_and_every_pair_meets() -> None:
    requests = run(design(SIX, at_once=3), all_tied)
    assert [request.number for request in requests] == list(range(4 * PROFILE.blocks)), "a pair meets in every fourth"
    met: set[tuple[str, ...]] = set()
    for first, second in zip(requests[::2], requests[1::2], strict=True):
        assert len(names(first)) == len(names(second)) == 3
        assert sorted(names(first) + names(second)) == [each.name for each in SIX], "all are in one of the two"
        met |= {pair for request in (first, second) for pair in combinations(sorted(names(request)), 2)}
        if second.number + 1 == 2 * LOOK:
            break
    assert met == set(combinations([each.name for each in SIX], 2))


def test_groups_are_nearly_equal_and_never_too_large() -> None:
    sizes = [len(names(request)) for request in run(design(SIX, at_once=4), at_most=4)]
    assert sizes == [3, 3, 3, 3]
    sizes = [len(names(request)) for request in run(design(SIX[:5], at_once=2), at_most=6)]
    assert sorted(sizes[:3]) == sorted(sizes[3:]) == [1, 2, 2]


def test_each_group_has_idle_clients_as_often_as_a_spec_that_is_not_dealt() -> None:
    idle = [request for request in run(design(SIX, at_once=3), all_tied) if request.idle_clients]
    assert all(sum(each.name in names(request) for request in idle) == IDLE_BLOCKS for each in SIX)


def test_no_server_is_decided_before_each_group_had_the_blocks_of_a_look() -> None:
    requests = run(design(ZOO, at_once=2), tied, is_extended=True, at_most=140)
    has_cow = [
        "cow" in names(first) + names(second) for first, second in zip(requests[::2], requests[1::2], strict=True)
    ]
    assert all(has_cow[:LOOK])
    assert not has_cow[-1]
    assert has_cow == sorted(has_cow, reverse=True), "who is out stays out"
    assert sorted(names(requests[-1])) == ["ant", "bee"], "they fit together now"


def test_with_groups_a_look_is_after_as_many_blocks_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    def compare_and_note(
        values: Floats, entries: Sequence[Entry], *, seed: int, weights: Floats, is_over: bool
    ) -> Comparisons:
        looked.append(len(values))
        return compare(values, entries, seed=seed, weights=weights, is_over=is_over)

    monkeypatch.setattr(schedule_module, "compare", compare_and_note)
    run(design(SIX, at_once=3), all_tied, is_extended=True, at_most=70)
    assert looked == [4 * LOOK, 8 * LOOK]


def test_a_block_of_a_group_has_the_baseline_and_only_its_own_controls() -> None:
    relays = {"broadcast": server(BASELINE)}
    for request in run(design(SIX, controls={"broadcast": ["ant", "bee"]}, baselines=relays, at_once=3), all_tied):
        roles = {role: {entry.name for entry in request.entries if entry.role is role} for role in Role}
        assert roles[Role.CONTROL] == roles[Role.SERVER] & {"ant", "bee"}
        assert roles[Role.BASELINE] == {BASELINE}


def limit(monkeypatch: pytest.MonkeyPatch, *, descriptors: int, memory_bytes: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (0, descriptors))
    available = SimpleNamespace(available=memory_bytes)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: available)


def test_as_many_servers_are_measured_at_once_as_memory_and_descriptors_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, descriptors=1100 + OTHER_DESCRIPTORS + 30 * 100, memory_bytes=10**12)
    assert servers_at_once(100, 1100) == 30 - OTHER_ENTRIES
    limit(monkeypatch, descriptors=10**6, memory_bytes=10 * BYTES_EACH)
    assert servers_at_once(100, 1000) == 10 - OTHER_ENTRIES
    limit(monkeypatch, descriptors=resource.RLIM_INFINITY, memory_bytes=10 * BYTES_EACH)
    assert servers_at_once(100, 1000) == 10 - OTHER_ENTRIES
    limit(monkeypatch, descriptors=1024, memory_bytes=10**6)
    assert servers_at_once(100, 1000) == 2, "two are compared in any case"


def test_memory_is_measured_only_where_descriptors_suffice(monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, descriptors=1024, memory_bytes=10**12)
    assert fitting_idle_clients(100, 1000) == 0
    limit(monkeypatch, descriptors=1000 + OTHER_DESCRIPTORS + (2 + OTHER_ENTRIES) * 100, memory_bytes=10**12)
    assert fitting_idle_clients(100, 1000) == 1000


# --- controls


def test_two_servers_of_each_spec_have_a_control_of_different_classes_where_there_are_several() -> None:
    servers = [
        server("bee"),
        server("cow"),
        server("ant", category="tuned"),
        server("dog", "channels", "engine"),
        server("eel", "groupchat"),
        server("fox", "groupchat"),
    ]
    assert choose_controls(servers, PROFILE) == {
        "broadcast": ["bee", "ant"],
        "channels": ["dog"],
        "groupchat": ["eel", "fox"],
    }


def test_the_reference_that_the_user_names_is_the_first_with_a_control() -> None:
    servers = [server("bee"), server("cow"), server("ant", category="tuned"), server("dog", "channels", "engine")]
    assert choose_controls(servers, PROFILE, "cow") == {"broadcast": ["cow", "ant"], "channels": ["dog"]}
    assert choose_controls(servers, PROFILE, "ant") == {"broadcast": ["ant", "bee"], "channels": ["dog"]}


def test_so_few_blocks_that_no_difference_can_be_significant_have_no_control() -> None:
    assert choose_controls(ZOO, PROFILES["smoke"]) == {}
    assert choose_controls([], PROFILE) == {}
