"""The neighbours of a server by style, beside which it is read and ranked."""

from __future__ import annotations

from harness import plugins
from harness.model import Implementation
from harness.zoo.neighbours import neighbours


def server(name: str, style: str, *, language: str = "C", category: str = "idiomatic") -> Implementation:
    return Implementation(name=name, spec="broadcast", style=style, language=language, category=category, run=("none",))


MINE = server("mine", "a thread per connection", language="Go")


def test_styles_with_common_words_are_nearest_then_the_language_then_the_category() -> None:
    candidates = [
        server("far", "actors"),
        server("near", "thread per client"),
        server("same", "threads per connection"),
        server("tuned", "thread per connection", language="Go", category="tuned"),
        server("twin", "thread per connection", language="Go"),
    ]
    found = neighbours(MINE, candidates, 4)
    assert [each.name for each in found] == ["twin", "tuned", "same", "near"]


def test_words_that_every_style_has_make_no_style_near() -> None:
    candidates = [server("one", "events"), server("two", "an actor per room")]
    assert [each.name for each in neighbours(MINE, candidates, 1)] == ["one"]


def test_the_server_itself_and_other_specs_are_no_neighbours() -> None:
    other = Implementation(name="other", spec="channels", style=MINE.style, run=("none",))
    assert neighbours(MINE, [MINE, other], 3) == []


def test_an_executable_of_unknown_style_has_none() -> None:
    assert neighbours(Implementation(name="x", spec="broadcast", run=("none",)), [MINE], 3) == []


def test_every_server_of_the_zoo_has_three_of_its_spec() -> None:
    every = plugins.implementations()
    for each in every:
        assert len(neighbours(each, every, 3)) == 3
