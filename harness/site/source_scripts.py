"""The source of a server as a script, because a page from a file can load nothing else; another script compares two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.diff.source import Source, SourceLine, read
from harness.errors import UsageError
from harness.site.data import SiteServer
from harness.site.page import DataFile, script_json

FOLDER = "sources"


@dataclass(frozen=True)
class BothForms:
    """A source as it is, and without comments and imports.

    Attributes:
        full: as it is.
        plain: without comments and imports; the same where it could not be parsed.
    """

    full: Source
    plain: Source


def script_path(server: SiteServer) -> str:
    """Return the path of the script with the source of a server."""
    return f"{FOLDER}/{server.key}.js"


def is_readable(server: SiteServer) -> bool:
    """Return whether a server has a source here that is text."""
    try:
        return server.source is not None and b"\0" not in server.source.read_bytes()
    except OSError:
        return False


def read_both(server: SiteServer) -> BothForms | None:
    """Return the source of a server; None where it has none that can be read."""
    if server.source is None or not is_readable(server):
        return None
    full = read(server.name, server.source)
    try:
        return BothForms(full, read(server.name, server.source, with_comments=False, with_imports=False))
    except UsageError:  # a Python source that cannot be parsed
        return BothForms(full, full)


def script(server: SiteServer, source: BothForms) -> DataFile:
    """Return the script that hands the source of a server to the page.

    Its lines are [text, number of the function around it]; those without comments and imports are the number of a
    line, or with it the text where that is another.

    Args:
        server: the server.
        source: its source.
    """
    functions = {name: number for number, name in enumerate(source.full.functions)}
    by_number = {line.number: line.text for line in source.full.lines}
    content = {
        "file": file_name(server),
        "functions": list(functions),
        "lines": [[line.text, functions.get(line.function, -1)] for line in source.full.lines],
        "plain": [_plain(line, by_number) for line in source.plain.lines],
    }
    return DataFile(script_path(server), f"receiveSource({script_json(server.key)}, {script_json(content)});\n")


def _plain(line: SourceLine, by_number: Mapping[int, str]) -> int | Sequence[int | str]:
    return line.number if by_number[line.number] == line.text else [line.number, line.text]


def file_name(server: SiteServer) -> str:
    """Return the name of the file with the folder it is in, which is no path of this machine."""
    return "/".join(server.source.parts[-2:]) if server.source else ""
