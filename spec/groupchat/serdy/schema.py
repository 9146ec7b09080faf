"""Derives a shape from a type annotation.

    bool  float  str  bytes             themselves
    int                                 64 bits, signed
    Annotated[int, Range(0, 255)]       an int from 0 to 255
    T | None                            an option
    list[T]  tuple[T, ...]              sequences
    dict[K, V]                          a map; K is int, str, bytes or an enum
    a dataclass                         a struct; it may contain itself, as a tree does
    an Enum                             its members, by position or name
    A | B                               a tagged union of dataclasses

No other annotation has a shape: SchemaError names it and the class in which it occurs.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, get_args, get_origin, get_type_hints
from typing import Union as AnyUnion

from .errors import SchemaError
from .model import (
    Blob,
    Boolean,
    Enumeration,
    Integer,
    Map,
    Option,
    Real,
    Sequence,
    Shape,
    Struct,
    Text,
    Union,
)

SCALARS: dict[Any, Shape] = {bool: Boolean(), int: Integer(), float: Real(), str: Text(), bytes: Blob()}

# The shapes of dataclasses, because deriving these takes time. Other annotations must not be keys of a cache:
# `A | B == B | A`, and one of the two would get the tags of the other.
_known: dict[type, Struct] = {}
# Unions of classes by their members, in order: programs that exchange messages use the same union for each of them.
_unions: dict[tuple[Any, ...], Shape] = {}


@dataclass(frozen=True)
class Range:
    """The range of an int, as in `Annotated[int, Range(0, 255)]`.

    The range must fit into 64 bits: from -2**63 to 2**63 - 1, or from 0 to 2**64 - 1.

    Attributes:
        low: the least value.
        high: the greatest value.
    """

    low: int
    high: int

    def __post_init__(self) -> None:
        least, most = (0, (1 << 64) - 1) if self.low >= 0 else (-(1 << 63), (1 << 63) - 1)
        if not least <= self.low <= self.high <= most:
            raise SchemaError(f"{self} is empty, or does not fit into 64 bits")


def shape(annotation: Any) -> Shape:
    """Return the shape of the values of a type; raise SchemaError when the type has none."""
    members = get_args(annotation) if isinstance(annotation, UnionType) else ()
    if known := _unions.get(members):
        return known
    fresh: dict[type, Struct] = {}
    derived = _derive(annotation, fresh)
    _known.update(fresh)  # only now are the fields of all of them set
    if members and all(isinstance(member, type) for member in members):
        _unions[members] = derived
    return derived


def _derive(annotation: Any, fresh: dict[type, Struct]) -> Shape:
    """Return the shape of a type; `fresh` has the dataclasses found so far, some of them still without their fields."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is None and isinstance(annotation, type):
        return _class(annotation, fresh)
    if origin is Annotated:
        return _annotated(*arguments, fresh=fresh)
    if origin is list or (origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis):
        return Sequence(origin, _derive(arguments[0], fresh))
    if origin is dict:
        key, item = (_derive(argument, fresh) for argument in arguments)
        if not isinstance(key, Integer | Text | Blob | Enumeration):
            raise SchemaError(f"{annotation}: a key must be an int, str, bytes or an enum")
        return Map(key, item)
    if origin in (UnionType, AnyUnion):
        return _union(annotation, arguments, fresh)
    raise SchemaError(f"{annotation} has no shape in the data model")


def _class(cls: type, fresh: dict[type, Struct]) -> Shape:
    if cls in SCALARS:
        return SCALARS[cls]
    if issubclass(cls, Enum):
        members = tuple(cls)
        return Enumeration(cls, members, tuple(member.name for member in members))
    if is_dataclass(cls):
        return _known.get(cls) or fresh.get(cls) or _struct(cls, fresh)
    raise SchemaError(f"{cls.__name__} has no shape in the data model")


def _struct(cls: type, fresh: dict[type, Struct]) -> Struct:
    names = tuple(item.name for item in fields(cls))
    if set(inspect.signature(cls).parameters) != set(names):
        raise SchemaError(f"{cls.__name__}: the parameters of __init__ are not the fields")
    try:
        hints = get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise SchemaError(f"{cls.__name__}: {error}; its annotations must be valid in its module") from error
    struct = fresh[cls] = Struct(cls, names)
    try:
        struct.fields = tuple(_derive(hints[name], fresh) for name in names)
    except SchemaError as error:
        raise SchemaError(f"{cls.__name__}: {error}") from None
    return struct


def _annotated(base: Any, *notes: object, fresh: dict[type, Struct]) -> Shape:
    """Return the shape of `Annotated`: a Range restricts an int, and all other notes are ignored."""
    for note in notes:
        if base is int and isinstance(note, Range):
            return Integer(note.low, note.high)
    return _derive(base, fresh)


def _union(annotation: Any, arguments: tuple[Any, ...], fresh: dict[type, Struct]) -> Shape:
    shapes = [_derive(argument, fresh) for argument in arguments if argument is not NoneType]
    structs = tuple(shape for shape in shapes if isinstance(shape, Struct))
    names = tuple(struct.cls.__name__ for struct in structs)
    if len(shapes) > 1 and (len(structs) < len(shapes) or len(set(names)) < len(names)):
        raise SchemaError(f"{annotation}: a union must consist of dataclasses with different names")
    item = Union(structs, names) if len(shapes) > 1 else shapes[0]
    return Option(item) if NoneType in arguments else item
