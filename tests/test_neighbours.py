"""The servers that are nearest to another one by style."""

from __future__ import annotations

import msgspec
import pytest

from harness import plugins
from harness.commands import run_command, sandboxing
from harness.errors import UsageError
from harness.model import Implementation
from harness.zoo.neighbours import likeness, neighbours


def server(name: str, style: str, language: str = "Lua", spec: str = "chatter") -> Implementation:
    return Implementation(name=name, spec=spec, style=style, language=language)


ONE = server("one", "coroutine per connection")
OTHERS = [
    server("far", "event loop"),
    server("near", "coroutines", language="C"),
    server("same", "coroutine per connection", language="C"),
    server("partly", "thread per connection"),
    server("elsewhere", "coroutine per connection", spec="whisper"),
    ONE,
]


def test_the_same_style_comes_first_and_the_same_language_before_another() -> None:
    assert [other.name for other in neighbours(ONE, OTHERS, 4)] == ["same", "partly", "near", "far"]
    mate = msgspec.structs.replace(ONE, name="mate")
    assert neighbours(ONE, [*OTHERS, mate], 1) == [mate]


def test_a_server_is_not_its_own_neighbour_nor_is_one_of_another_spec() -> None:
    assert {other.name for other in neighbours(ONE, OTHERS, 9)} == {"far", "near", "same", "partly"}


def test_an_executable_of_unknown_style_has_no_neighbours() -> None:
    assert neighbours(Implementation(name="x", spec="chatter", run=("none",)), [ONE], 3) == []


def test_every_server_of_the_zoo_has_three_of_its_spec() -> None:
    every = plugins.implementations()
    assert {len(neighbours(each, every)) for each in every} == {3}


def test_words_count_in_the_singular_and_small_words_do_not() -> None:
    assert likeness(server("a", "fibers"), server("b", "a fiber")) == likeness(ONE, ONE)
    assert likeness(server("a", "one per"), server("b", "per one", language="C")) < 1


@pytest.mark.parametrize(
    ("more", "names"), [((), 4), (("--alone",), 1), (("threads",), 2), (("threads", "--alone"), 2)]
)
def test_a_single_server_is_ranked_beside_neighbours_unless_it_is_to_be_alone(
    more: tuple[str, ...], names: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[Implementation] = []

    def new_run(servers: list[Implementation], *others: object, **options: object) -> None:
        chosen.extend(servers)
        raise UsageError("enough is known")

    monkeypatch.setattr(run_command, "new_run", new_run)
    monkeypatch.setattr(sandboxing, "decide", lambda setting, servers: None)
    with pytest.raises(UsageError, match="enough is known"):
        run_command.command.main(["asyncio", *more, "--spec", "broadcast"], standalone_mode=False)
    assert len(chosen) == names
