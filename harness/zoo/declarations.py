"""How a server is declared, written out: as a manifest, or as the hook of a Python package."""

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


def manifest(one: Implementation) -> str:
    """Return the `impl.toml` of a server; its source is told as it stands in the record."""
    lines = [f"{key} = {_toml(value)}" for key, value in _said(one, by_attribute=False).items() if key != "tools"]
    for need, tool in one.tools.items():
        lines += ["", f"[tools.{json.dumps(need)}]"]
        lines += [f"{key} = {_toml(value)}" for key, value in _said(tool, by_attribute=False).items()]
    return "\n".join(lines) + "\n"


def hook(one: Implementation) -> str:
    """Return the `__init__.py` of a server in Python; its source is told as it stands beside this file."""
    said = _said(one, by_attribute=True)
    fields = [f"            {key}={_python(value)}," for key, value in said.items()]
    imported = ["Implementation", *(["Tool"] if one.tools else []), "hookimpl"]
    title = f"{one.name}: {one.style}.".replace("\\", "\\\\").replace('"""', "'''")
    return HOOK.format(title=title, imported=", ".join(imported), fields="\n".join(fields))


def _said(record: msgspec.Struct, *, by_attribute: bool) -> dict[str, object]:
    """Return the fields that say something, by the names of attributes or by those of keys."""
    found = {}
    for field in msgspec.structs.fields(record):
        value = getattr(record, field.name)
        if value and value != "?":
            found[field.name if by_attribute else field.encode_name] = value
    return found


def _toml(value: object) -> str:
    # Of strings and lists of them, JSON's way to write them is TOML's too.
    return json.dumps(value if isinstance(value, tuple) else str(value), ensure_ascii=False)


def _python(value: object) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_python, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_python(key)}: {_python(each)}" for key, each in value.items()) + "}"
    if isinstance(value, Tool):
        return f"Tool({', '.join(f'{key}={_python(each)}' for key, each in _said(value, by_attribute=True).items())})"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return "Path(__file__).parent" + "".join(f" / {json.dumps(part)}" for part in getattr(value, "parts", ()))
