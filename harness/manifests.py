"""Reads `impls/*/impl.toml`: how a server that is not Python declares itself.

The manifests come in through the same hook as everything else; this module is the plugin that reads them.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec

from harness.errors import UsageError, nearest
from harness.model import Implementation
from harness.plugins import hookimpl
from harness.records import convert

FILE = "impl.toml"
FIELDS = [field.encode_name for field in msgspec.structs.fields(Implementation)]
CLASSES = ("idiomatic", "tuned", "engine")


def read(path: Path) -> Implementation:
    """Return the implementation that the manifest at `path` declares.

    Raises:
        UsageError: the manifest cannot be read or says something that cannot be meant; the message has
            the file, the line and, for an unknown key, the nearest known one.
    """
    try:
        text = path.read_text("utf-8")
        data = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{_place(path, error)}: not TOML: {error}") from None
    for key in data:
        if key not in FIELDS:
            raise UsageError(f'{path}, line {_line(text, key)}: unknown key "{key}"{nearest(key, FIELDS)}')
    for key in ("name", "spec", "run"):
        if not data.get(key):
            raise UsageError(f'{path}: the key "{key}" is missing, or empty')
    try:
        found = convert(data, Implementation)
    except msgspec.ValidationError as error:
        key = match[1] if (match := re.search(r"\$\.(\w+)", str(error))) else ""
        raise UsageError(f"{path}, line {_line(text, key)}: {error}") from None
    if found.klass not in CLASSES:
        raise UsageError(f'{path}, line {_line(text, "class")}: class "{found.klass}" is none of {", ".join(CLASSES)}')
    if found.source is None:
        return found
    source = path.parent.resolve() / found.source
    if not source.is_file():
        raise UsageError(f"{path}, line {_line(text, 'source')}: there is no file {source}")
    return msgspec.structs.replace(found, source=source)


def _line(text: str, key: str) -> int:
    """Return the number of the line that sets `key`, 1 when there is none."""
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(rf'\s*"?{re.escape(key)}"?\s*=', line):
            return number
    return 1


def _place(path: Path, error: tomllib.TOMLDecodeError) -> str:
    match = re.search(r"at line (\d+)", str(error))
    return f"{path}, line {match[1]}" if match else str(path)


@hookimpl
def harness_implementations() -> list[Implementation]:
    """Return the servers declared in the manifests of the `impls` package's folders."""
    import impls

    return [read(path) for root in impls.__path__ for path in sorted(Path(root).glob(f"*/{FILE}"))]
