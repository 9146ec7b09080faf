"""serdy: values survive a round trip, have the documented bytes, and invalid values and types are refused."""

from __future__ import annotations

import ast
import doctest
import json
import pickle
import random
import re
import sys
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spec.groupchat import serdy
from spec.groupchat.serdy import BINARY, JSON, DecodeError, EncodeError, Range, SchemaError, SerdyError, dumps, loads
from spec.groupchat.serdy.walk import MAX_DEPTH
from tests.serdy_types import (
    EVERYTHING,
    SOME,
    Byte,
    Chain,
    Color,
    Empty,
    Everything,
    Level,
    Point,
    Right,
    Tree,
    Word,
)

FOLDER = Path(serdy.__file__).parent
FORMATS = [pytest.param(BINARY, id="binary"), pytest.param(JSON, id="json")]
# Examples are the same in every run.
quick = settings(max_examples=50, deadline=None, derandomize=True, database=None)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("annotation", "values"), SOME.values(), ids=SOME)
def test_every_kind_comes_back_as_it_was(annotation: Any, values: st.SearchStrategy[Any], format: serdy.Format) -> None:
    @quick
    @given(values)
    def check(value: Any) -> None:
        decoded = loads(dumps(value, annotation, format), annotation, format)
        assert decoded == value
        assert type(decoded) is type(value)

    check()


@pytest.mark.parametrize("format", FORMATS)
@quick
@given(value=EVERYTHING)
def test_all_kinds_together_come_back_as_they_were(value: Everything, format: serdy.Format) -> None:
    assert loads(dumps(value, Everything, format), Everything, format) == value


@quick
@given(value=EVERYTHING)
def test_json_output_is_json_and_has_the_fields(value: Everything) -> None:
    decoded = json.loads(dumps(value, Everything, JSON))
    assert list(decoded) == list(Everything.__dataclass_fields__)
    assert (decoded["text"], decoded["real"], decoded["number"]) == (value.text, value.real, value.number)


GOLDEN: list[tuple[Any, Any, str, str]] = [
    (False, bool, "00", "false"),
    (True, bool, "01", "true"),
    (0, int, "00", "0"),
    (-1, int, "01", "-1"),
    (1, int, "02", "1"),
    (-64, int, "7f", "-64"),
    (64, int, "80 01", "64"),
    ((1 << 63) - 1, int, "fe ff ff ff ff ff ff ff ff 01", "9223372036854775807"),
    (-(1 << 63), int, "ff ff ff ff ff ff ff ff ff 01", "-9223372036854775808"),
    (127, Word, "7f", "127"),
    (300, Word, "ac 02", "300"),
    ((1 << 64) - 1, Word, "ff ff ff ff ff ff ff ff ff 01", "18446744073709551615"),
    (1.0, float, "00 00 00 00 00 00 f0 3f", "1.0"),
    (-0.0, float, "00 00 00 00 00 00 00 80", "-0.0"),
    ("", str, "00", '""'),
    ('né"\n', str, "05 6e c3 a9 22 0a", r'"né\"\n"'),
    (b"\x00\xff", bytes, "02 00 ff", '"AP8="'),
    (None, int | None, "00", "null"),
    (3, int | None, "01 06", "3"),
    ([1, 2], list[int], "02 02 04", "[1,2]"),
    ((), tuple[int, ...], "00", "[]"),
    ({"b": 1, "a": 2}, dict[str, int], "02 01 61 04 01 62 02", '{"b":1,"a":2}'),
    ({10: True}, dict[Byte, bool], "01 0a 01", '{"10":true}'),
    ({b"\xff": 1}, dict[bytes, int], "01 01 ff 02", '{"/w==":1}'),
    ({Color.BLUE: 1}, dict[Color, int], "01 02 02", '{"BLUE":1}'),
    (Color.GREEN, Color, "01", '"GREEN"'),
    (Level.HIGH, Level, "01", '"HIGH"'),
    (Right.WRITE, Right, "01", '"WRITE"'),
    (Empty(), Empty, "00", "{}"),
    (Point(1, -2), Point, "02 03", '{"x":1,"y":-2}'),
    (Tree(1, [Tree(2)]), Tree, "01 01 02 00", '{"value":1,"children":[{"value":2,"children":[]}]}'),
    (Point(1, -2), Empty | Point, "01 02 03", '{"Point":{"x":1,"y":-2}}'),
    (Point(1, -2), Point | Empty, "00 02 03", '{"Point":{"x":1,"y":-2}}'),
    (Empty(), Empty | Point | None, "01 00 00", '{"Empty":{}}'),
]


@pytest.mark.parametrize(("value", "annotation", "binary", "text"), GOLDEN)
def test_the_bytes_are_these(value: Any, annotation: Any, binary: str, text: str) -> None:
    assert dumps(value, annotation).hex(" ") == binary
    assert dumps(value, annotation, JSON).decode() == text
    assert loads(bytes.fromhex(binary), annotation) == loads(text.encode(), annotation, JSON) == value


def test_tags_are_positions_and_unions_that_are_equal_have_their_own() -> None:
    assert (Empty | Point) == (Point | Empty)  # so they must not be keys of one cache
    assert dumps([Empty()], list[Empty | Point]).hex() == "010000"
    assert dumps([Empty()], list[Point | Empty]).hex() == "010100"
    assert loads(b"\x00", Color) is Color("r")  # this member has two names


def test_equal_values_have_equal_bytes() -> None:
    entries = [(text, number) for number, text in enumerate(["", "a", "b", "aa", "é", "x" * 200, "x" * 127])]
    rng = random.Random(1)
    encodings = {dumps(dict(rng.sample(entries, len(entries))), dict[str, int]) for _ in range(20)}
    assert len(encodings) == 1


UNFIT: list[tuple[Any, Any, str, str]] = [
    (1, bool, "bool expected, int found", "$"),
    (True, int, "int expected, bool found", "$"),
    (Level.LOW, int, "int expected, Level found", "$"),
    (1 << 63, int, "an int from", "$"),
    (256, Byte, "an int from 0 to 255", "$"),
    (-1, Byte, "an int from 0 to 255", "$"),
    (1 << 99999, Byte, "an int from 0 to 255", "$"),
    (1, float, "float expected, int found", "$"),
    (float("nan"), float, "a finite float", "$"),
    (float("-inf"), float, "a finite float", "$"),
    (b"", str, "str expected, bytes found", "$"),
    ("a\ud800", str, "character 1 is a lone surrogate", "$"),
    (bytearray(), bytes, "bytes expected, bytearray found", "$"),
    (None, int, "int expected, NoneType found", "$"),
    ((), list[int], "list expected, tuple found", "$"),
    ([], tuple[int, ...], "tuple expected, list found", "$"),
    ([1, "2"], list[int], "int expected, str found", "$[1]"),
    ({"a": 1, 2: 2}, dict[str, int], "str expected, int found", "$[1]"),
    ({"a": [0, ""]}, dict[str, list[int]], "int expected, str found", "$['a'][1]"),
    (Level.LOW, Color, "Color expected, Level found", "$"),
    (Right.READ | Right.WRITE, Right, "one member of Right expected", "$"),
    (Point(1, "y"), Point, "int expected, str found", "$.y"),  # type: ignore[arg-type]
    (Empty(), Point, "Point expected, Empty found", "$"),
    (type("Sub", (Point,), {})(1, 2), Point, "Point expected, Sub found", "$"),
    (Tree(1), Empty | Point, "Empty or Point expected, Tree found", "$"),
    (None, Empty | Point, "Empty or Point expected, NoneType found", "$"),
]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("value", "annotation", "reason", "path"), UNFIT, ids=[row[2] for row in UNFIT])
def test_a_value_that_does_not_fit_is_refused(
    value: Any, annotation: Any, reason: str, path: str, format: serdy.Format
) -> None:
    with pytest.raises(EncodeError, match=f"^{re.escape(path)}: {reason}") as caught:
        dumps(value, annotation, format)
    assert caught.value.path == path


@pytest.mark.parametrize("format", FORMATS)
def test_a_value_inside_itself_is_refused(format: serdy.Format) -> None:
    tree = Tree(1)
    tree.children.append(tree)
    with pytest.raises(EncodeError, match=f"more than {MAX_DEPTH} nested values"):
        dumps(tree, Tree, format)


@pytest.mark.parametrize("format", FORMATS)
def test_the_depth_that_is_allowed_comes_back(format: serdy.Format) -> None:
    chain = None
    for _ in range(MAX_DEPTH):
        chain = Chain(chain)
    assert loads(dumps(chain, Chain, format), Chain, format) == chain
    with pytest.raises(EncodeError, match="nested values"):
        dumps(Chain(chain), Chain, format)


@pytest.mark.parametrize("format", FORMATS)
def test_breadth_is_not_limited(format: serdy.Format) -> None:
    value = {name: [[Point(1, 2)]] * 3 for name in map(str, range(2 * MAX_DEPTH))}
    assert loads(dumps(value, dict[str, list[list[Point]]], format), dict[str, list[list[Point]]], format) == value


@dataclass
class Derived:
    value: int
    twice: int = field(init=False)


@dataclass
class Initial:
    value: InitVar[int]


@dataclass
class Lost:
    value: Nowhere  # type: ignore[name-defined]  # noqa: F821


@dataclass
class Holder:
    sets: list[set[int]]


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        (set[int], r"set\[int\] has no shape"),
        (object, "object has no shape"),
        (list, "list has no shape"),
        (None, "None has no shape"),
        ("int", "int has no shape"),
        (tuple[int, str], "has no shape"),
        (dict[float, int], "a key must be an int, str, bytes or an enum"),
        (dict[Point, int], "a key must be an int, str, bytes or an enum"),
        (int | str, "a union must consist of dataclasses"),
        (Empty | int, "a union must consist of dataclasses"),
        (
            Point | type("Point", (), {"__dataclass_fields__": {}}),
            "a union must consist of dataclasses with different names",
        ),
        (Derived, "Derived: the parameters of __init__"),
        (Initial, "Initial: the parameters of __init__"),
        (Lost, "Lost: name 'Nowhere' is not defined"),
        (Holder, r"Holder: set\[int\] has no shape"),
    ],
)
def test_a_type_without_a_shape_is_refused_every_time(annotation: Any, reason: str) -> None:
    for _ in range(2):  # a failure leaves no incomplete shape in the cache
        with pytest.raises(SchemaError, match=reason):
            loads(b"", annotation)


@pytest.mark.parametrize(("low", "high"), [(1, 0), (-1, 1 << 63), (-(1 << 63) - 1, 0), (0, 1 << 64)])
def test_a_range_has_64_bits(low: int, high: int) -> None:
    with pytest.raises(SchemaError, match="64 bits"):
        Range(low, high)


def test_other_annotations_are_ignored() -> None:
    assert dumps(3, Annotated[int, "a note"]).hex() == "06"
    assert dumps(3, Annotated[int | None, Range(0, 9)]).hex() == "0106"  # only an int has a range


def test_errors_survive_a_pickle() -> None:
    for error in (DecodeError("why", "$.x", 3), EncodeError("why", "$.x"), SchemaError("why")):
        again = pickle.loads(pickle.dumps(error))
        assert (str(again), vars(again)) == (str(error), vars(error))
        assert isinstance(again, SerdyError)


def test_it_imports_only_itself_and_the_standard_library() -> None:
    for file in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                assert {name.name.partition(".")[0] for name in node.names} <= sys.stdlib_module_names
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 1 or str(node.module).partition(".")[0] in sys.stdlib_module_names


def test_the_examples_of_the_readme_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the examples, with serdy as a top-level package."""
    monkeypatch.syspath_prepend(FOLDER.parent)
    page = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", page)  # the module in which the annotations of the examples are resolved
    blocks = re.findall(r"```pycon\n(.*?)```", (FOLDER / "README.md").read_text("utf-8"), re.DOTALL)
    test = doctest.DocTestParser().get_doctest("".join(blocks), vars(page), "README.md", None, 0)
    output: list[str] = []
    outcome = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=output.append, clear_globs=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == "serdy"]:
        del sys.modules[name]
    assert outcome.failed == 0, "".join(output)
    assert outcome.attempted > 10
