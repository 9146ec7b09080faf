"""Coverage-guided fuzzing of serdy with atheris (libFuzzer), until it is stopped.

    pip install atheris
    python -m benchmarks.fuzz_serdy                     both formats, from nothing
    python -m benchmarks.fuzz_serdy -runs=100000        options are libFuzzer's; a folder is a corpus to keep

Bytes are a value or end in DecodeError; a value in binary has just these bytes, one in JSON comes back as it was.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["spec.groupchat.serdy"]):
    from spec.groupchat.serdy import BINARY, JSON, DecodeError, dumps, loads

from tests.serdy_types import Everything


def one(data: bytes) -> None:
    """Try one input; no value of this type begins with "{" in binary, so that is the sign of JSON."""
    format = JSON if data[:1] == b"{" else BINARY
    try:
        value = loads(data, Everything, format)
    except DecodeError:
        return
    again = dumps(value, Everything, format)
    assert loads(again, Everything, JSON) == value if format is JSON else again == data


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
