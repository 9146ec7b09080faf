"""Converts records to JSON and back: on disk, over pipes, from manifests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")


def _encode_extra(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"cannot encode {type(value).__name__}")


def _decode_extra(kind: type, value: object) -> object:
    if issubclass(kind, Path):
        return kind(str(value))
    raise NotImplementedError(f"cannot decode {kind.__name__}")


def to_json(value: object) -> bytes:
    """Return a record as one line of JSON, without the line end."""
    try:
        return msgspec.json.encode(value, enc_hook=_encode_extra)
    except UnicodeEncodeError:  # a path that is no UTF-8: its bytes are lone surrogates, written \udcff
        return json.dumps(msgspec.to_builtins(value, enc_hook=_encode_extra)).encode()


def to_pretty_json(value: object) -> bytes:
    """Return a record as JSON in indented lines, without the last line end."""
    data = to_json(value)
    try:
        return msgspec.json.format(data)
    except msgspec.DecodeError:  # lone surrogates
        return json.dumps(json.loads(data), indent=2).encode()


def from_json(data: bytes | str, kind: type[T]) -> T:
    """Return the record of this type from JSON; raise msgspec.MsgspecError where it is none."""
    try:
        return msgspec.json.decode(data, type=kind, dec_hook=_decode_extra)
    except msgspec.ValidationError:
        raise
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from None
    except msgspec.DecodeError as error:
        try:  # msgspec has no lone surrogates, which stand for a path that is no UTF-8
            plain = json.loads(data)
        except ValueError:
            raise error from None
        return convert(plain, kind)


def convert(data: object, kind: type[T]) -> T:
    """Return plain data, e.g. from TOML, as a record; raise msgspec.ValidationError where it is none."""
    return msgspec.convert(data, type=kind, dec_hook=_decode_extra)
