"""Fuzzes serdy guided by coverage, with atheris (libFuzzer), until it is stopped.

    pip install atheris
    python -m benchmarks.fuzz_serdy                     both formats, without a corpus
    python -m benchmarks.fuzz_serdy -runs=100000        options are libFuzzer's; a folder is a corpus to keep

Bytes decode to a value or raise DecodeError. A value in binary encodes to the same bytes again, and one in JSON decodes
to the same value again.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["spec.groupchat.serdy"]):
    from spec.groupchat.serdy import BINARY, JSON, DecodeError, dumps, loads

from tests.serdy_types import Everything


def try_input(data: bytes) -> None:
    """Try one input; it is JSON where it begins with "{", as no value of this type does in binary."""
    format = JSON if data[:1] == b"{" else BINARY
    try:
        value = loads(data, Everything, format)
    except DecodeError:
        return
    again = dumps(value, Everything, format)
    assert loads(again, Everything, JSON) == value if format is JSON else again == data


if __name__ == "__main__":
    atheris.Setup(sys.argv, try_input)
    atheris.Fuzz()
