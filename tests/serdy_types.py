"""A type that contains every shape of serdy's data model, and strategies for the values of each shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, Flag, IntEnum
from typing import Annotated, Any

from hypothesis import strategies as st

from spec.groupchat.serdy import Range

Byte = Annotated[int, Range(0, 255)]
Word = Annotated[int, Range(0, (1 << 64) - 1)]
Small = Annotated[int, Range(-2, 3)]


class Color(Enum):
    RED = "r"
    GREEN = "g"
    BLUE = "b"
    ROUGE = "r"  # an alias: RED


class Level(IntEnum):
    LOW = 10
    HIGH = 20


class Right(Flag):
    READ = 1
    WRITE = 2


@dataclass(frozen=True)
class Empty:
    """Nothing."""


@dataclass(frozen=True)
class Point:
    x: int
    y: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    text: str
    color: Color = Color.RED


@dataclass
class Tree:
    value: Byte
    children: list[Tree] = field(default_factory=list)


@dataclass
class Chain:
    next: Chain | None


@dataclass
class Endless:
    next: Endless


@dataclass
class Even:
    """A class with a rule of its own."""

    value: int

    def __post_init__(self) -> None:
        if self.value % 2:
            raise ValueError(f"{self.value} is odd")


@dataclass
class Everything:
    flag: bool
    number: int
    byte: Byte
    real: float
    text: str
    blob: bytes
    maybe: int | None
    color: Color
    level: Level
    points: list[Point]
    frozen: tuple[Empty, ...]
    by_name: dict[str, Color]
    by_number: dict[Small, str]
    by_color: dict[Color, list[bool]]
    by_blob: dict[bytes, Empty]
    one: Empty | Point | Label
    perhaps: Label | Point | None
    tree: Tree


TEXTS = st.text(max_size=20)  # without lone surrogates, as hypothesis has it
INTS = st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-300, 300)
REALS = st.floats(allow_nan=False, allow_infinity=False)
BLOBS = st.binary(max_size=20)
COLORS = st.sampled_from(Color)
EMPTIES = st.builds(Empty)
POINTS = st.builds(Point, INTS, INTS)
LABELS = st.builds(Label, text=TEXTS, color=COLORS)
BYTES = st.integers(0, 255)
TREES = st.recursive(
    st.builds(Tree, BYTES), lambda trees: st.builds(Tree, BYTES, st.lists(trees, max_size=3)), max_leaves=8
)
SOME: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "bool": (bool, st.booleans()),
    "int": (int, INTS),
    "byte": (Byte, BYTES),
    "word": (Word, st.integers(0, (1 << 64) - 1)),
    "small": (Small, st.integers(-2, 3)),
    "float": (float, REALS),
    "str": (str, TEXTS),
    "bytes": (bytes, BLOBS),
    "option": (int | None, st.none() | INTS),
    "list": (list[str], st.lists(TEXTS, max_size=5)),
    "tuple": (tuple[int | None, ...], st.lists(st.none() | INTS, max_size=5).map(tuple)),
    "map by str": (dict[str, float], st.dictionaries(TEXTS, REALS, max_size=5)),
    "map by int": (dict[int, bytes], st.dictionaries(INTS, BLOBS, max_size=5)),
    "map by bytes": (dict[bytes, int], st.dictionaries(BLOBS, INTS, max_size=5)),
    "map by enum": (dict[Color, dict[int, str]], st.dictionaries(COLORS, st.dictionaries(INTS, TEXTS, max_size=3))),
    "enum": (Color, COLORS),
    "int enum": (Level, st.sampled_from(Level)),
    "flag": (Right, st.sampled_from([Right.READ, Right.WRITE])),
    "empty struct": (Empty, EMPTIES),
    "struct": (Point, POINTS),
    "keywords": (Label, LABELS),
    "tree": (Tree, TREES),
    "union": (Empty | Point | Label, EMPTIES | POINTS | LABELS),
    "option of union": (Point | Empty | None, st.none() | POINTS | EMPTIES),
}
EVERYTHING = st.builds(
    Everything,
    flag=st.booleans(),
    number=INTS,
    byte=BYTES,
    real=REALS,
    text=TEXTS,
    blob=BLOBS,
    maybe=st.none() | INTS,
    color=COLORS,
    level=st.sampled_from(Level),
    points=st.lists(POINTS, max_size=3),
    frozen=st.lists(EMPTIES, max_size=3).map(tuple),
    by_name=st.dictionaries(TEXTS, COLORS, max_size=3),
    by_number=st.dictionaries(st.integers(-2, 3), TEXTS, max_size=3),
    by_color=st.dictionaries(COLORS, st.lists(st.booleans(), max_size=3)),
    by_blob=st.dictionaries(BLOBS, EMPTIES, max_size=3),
    one=EMPTIES | POINTS | LABELS,
    perhaps=st.none() | LABELS | POINTS,
    tree=TREES,
)
EXAMPLE = Everything(
    flag=True,
    number=-300,
    byte=255,
    real=1.5,
    text="né",
    blob=b"\x00\xff",
    maybe=None,
    color=Color.GREEN,
    level=Level.HIGH,
    points=[Point(1, -1), Point(0, 64)],
    frozen=(Empty(), Empty()),
    by_name={"b": Color.RED, "a": Color.BLUE},
    by_number={3: "x", -2: "y"},
    by_color={Color.BLUE: [True, False]},
    by_blob={b"": Empty()},
    one=Label(text="hi", color=Color.BLUE),
    perhaps=Point(7, 8),
    tree=Tree(1, [Tree(2), Tree(3, [Tree(4)])]),
)
