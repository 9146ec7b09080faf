"""From a type annotation to its shape.

    bool  float  str  bytes             themselves
    int                                 64 bits, signed
    Annotated[int, Range(0, 255)]       an int from 0 to 255
    T | None                            an option
    list[T]  tuple[T, ...]              sequences
    dict[K, V]                          a map; K is int, str, bytes or an enum
    a dataclass                         a struct; it may contain itself, as a tree does
    an Enum                             its members, by position or name
    A | B                               a tagged union of dataclasses

Anything else has no shape, and SchemaError says where it stands.
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

# The shapes of dataclasses, for they are the ones that take time. Other annotations must not be keys of a cache:
# `A | B == B | A`, and one of the two would get the tags of the other.
_known: dict[type, Struct] = {}
# Unions of classes by their members, in order: who reads and writes messages asks for the same one each time.
_unions: dict[tuple[Any, ...], Shape] = {}


@dataclass(frozen=True)
class Range:
    """In `Annotated[int, Range(low, high)]`: the least and the greatest value.

    All of them must fit 64 bits: from -2**63 to 2**63 - 1, or from 0 to 2**64 - 1.
    """

    low: int
    high: int

    def __post_init__(self) -> None:
        least, most = (0, (1 << 64) - 1) if self.low >= 0 else (-(1 << 63), (1 << 63) - 1)
        if not least <= self.low <= self.high <= most:
            raise SchemaError(f"{self} is empty, or more than 64 bits hold")


def shape(annotation: Any) -> Shape:
    """Return the shape of the values of a type; raise SchemaError when there is none."""
    members = get_args(annotation) if isinstance(annotation, UnionType) else ()
    if known := _unions.get(members):
        return known
    fresh: dict[type, Struct] = {}
    found = _derive(annotation, fresh)
    _known.update(fresh)  # only now, for until here they may have had no fields yet
    if members and all(isinstance(one, type) for one in members):
        _unions[members] = found
    return found


def _derive(annotation: Any, fresh: dict[type, Struct]) -> Shape:
    """Do the same; `fresh` has the dataclasses met on the way, some of them not finished."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is None and isinstance(annotation, type):
        return _class(annotation, fresh)
    if origin is Annotated:
        return _annotated(*arguments, fresh=fresh)
    if origin is list or (origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis):
        return Sequence(origin, _derive(arguments[0], fresh))
    if origin is dict:
        key, item = (_derive(one, fresh) for one in arguments)
        if not isinstance(key, Integer | Text | Blob | Enumeration):
            raise SchemaError(f"{annotation}: a key is an int, str, bytes or an enum")
        return Map(key, item)
    if origin in (UnionType, AnyUnion):
        return _union(annotation, arguments, fresh)
    raise SchemaError(f"{annotation} has no shape in the data model")


def _class(cls: type, fresh: dict[type, Struct]) -> Shape:
    if cls in SCALARS:
        return SCALARS[cls]
    if issubclass(cls, Enum):
        members = tuple(cls)
        return Enumeration(cls, members, tuple(one.name for one in members))
    if is_dataclass(cls):
        return _known.get(cls) or fresh.get(cls) or _struct(cls, fresh)
    raise SchemaError(f"{cls.__name__} has no shape in the data model")


def _struct(cls: type, fresh: dict[type, Struct]) -> Struct:
    names = tuple(one.name for one in fields(cls))
    if set(inspect.signature(cls).parameters) != set(names):
        raise SchemaError(f"{cls.__name__}: what __init__ takes is not what the fields are")
    try:
        hints = get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise SchemaError(f"{cls.__name__}: {error}; its annotations must make sense in its module") from error
    made = fresh[cls] = Struct(cls, names)
    try:
        made.fields = tuple(_derive(hints[name], fresh) for name in names)
    except SchemaError as error:
        raise SchemaError(f"{cls.__name__}: {error}") from None
    return made


def _annotated(base: Any, *notes: object, fresh: dict[type, Struct]) -> Shape:
    """Ranges mean something to ints; all other notes are for others."""
    for note in notes:
        if base is int and isinstance(note, Range):
            return Integer(note.low, note.high)
    return _derive(base, fresh)


def _union(annotation: Any, arguments: tuple[Any, ...], fresh: dict[type, Struct]) -> Shape:
    shapes = [_derive(one, fresh) for one in arguments if one is not NoneType]
    structs = tuple(one for one in shapes if isinstance(one, Struct))
    names = tuple(one.cls.__name__ for one in structs)
    if len(shapes) > 1 and (len(structs) < len(shapes) or len(set(names)) < len(names)):
        raise SchemaError(f"{annotation}: a union is one of dataclasses with names of their own")
    found = Union(structs, names) if len(shapes) > 1 else shapes[0]
    return Option(found) if NoneType in arguments else found
