"""Writes the declaration of a server: as a manifest, or as the plugin hook of a Python package."""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec

from harness.model import Implementation
from harness.toolchain import Tool

HOOK = '''\
"""{title}"""

from pathlib import Path

from harness.plugins import {imported}


@hookimpl
def harness_implementations() -> list[Implementation]:
    return [
        Implementation(
{fields}
        )
    ]
'''


def manifest(implementation: Implementation) -> str:
    """Return the text of an `impl.toml`; `source` is written as it is in the record."""
    lines = [
        f"{key} = {_toml(value)}"
        for key, value in _fields_set(implementation, by_attribute=False).items()
        if key != "tools"
    ]
    for need, tool in implementation.tools.items():
        lines += ["", f"[tools.{json.dumps(need)}]"]
        lines += [f"{key} = {_toml(value)}" for key, value in _fields_set(tool, by_attribute=False).items()]
    return "\n".join(lines) + "\n"


def hook(implementation: Implementation) -> str:
    """Return the text of an `__init__.py` that declares a server in Python; `source` is relative to that file."""
    fields_set = _fields_set(implementation, by_attribute=True)
    fields = [f"            {key}={_python(value)}," for key, value in fields_set.items()]
    imported = ["Implementation", *(["Tool"] if implementation.tools else []), "hookimpl"]
    title = f"{implementation.name}: {implementation.style}.".replace("\\", "\\\\").replace('"""', "'''")
    return HOOK.format(title=title, imported=", ".join(imported), fields="\n".join(fields))


def _fields_set(record: msgspec.Struct, *, by_attribute: bool) -> dict[str, object]:
    """Return the fields that have a value, by attribute name or by manifest key."""
    values = {}
    for field in msgspec.structs.fields(record):
        value = getattr(record, field.name)
        if value and value != "?":
            values[field.name if by_attribute else field.encode_name] = value
    return values


def _toml(value: object) -> str:
    # A JSON string, or a JSON list of strings, is also valid TOML.
    return json.dumps(value if isinstance(value, tuple) else str(value), ensure_ascii=False)


def _python(value: object) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_python, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_python(key)}: {_python(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Tool):
        fields_set = _fields_set(value, by_attribute=True)
        return f"Tool({', '.join(f'{key}={_python(item)}' for key, item in fields_set.items())})"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return "Path(__file__).parent" + "".join(f" / {json.dumps(part)}" for part in getattr(value, "parts", ()))
