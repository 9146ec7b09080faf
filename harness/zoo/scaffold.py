"""Creates a new server for the zoo: a copy of an existing one under another name, ready to be changed.

There are no separate template files to maintain: the copied server is itself checked by the cases.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import msgspec

from harness.errors import HarnessError, UsageError, nearest
from harness.model import Implementation
from harness.plugins import IMPLS, IS_INSTALLED
from harness.zoo import declarations, manifests
from harness.zoo.build import BYPRODUCTS
from harness.zoo.code_lines import code_lines
from harness.zoo.discover import why_unavailable

SUFFIX = "_impl"
README, HOOK = "README.md", "__init__.py"
IgnoreFunction = Callable[[str, list[str]], set[str]]  # as `shutil.copytree` takes it
NAME = re.compile(r"[a-z][a-z0-9_]*")


def impls_folder() -> Path:
    """Return the folder of the zoo, which has a folder for each server."""
    return Path(importlib.import_module(IMPLS).__path__[0]).resolve()


def new_folder(name: str) -> Path:
    """Return the folder for a new server: in the zoo, or, where the harness was installed, in the current folder."""
    return Path.cwd() / name if IS_INSTALLED else impls_folder() / f"{name}{SUFFIX}"


def template_for(language: str, spec: str, implementations: Sequence[Implementation]) -> Implementation:
    """Return the server of the zoo to copy, preferably idiomatic, available, with few needs, and short.

    Args:
        language: the programming language; upper and lower case are the same.
        spec: the name of the spec that the server must serve.
        implementations: all declared servers.

    Raises:
        UsageError: the zoo has no server of this spec in this language.
    """
    of_spec = [server for server in implementations if server.spec == spec and _folder(server)]
    candidates = [server for server in of_spec if server.language.casefold() == language.casefold()]
    if not candidates:
        languages = sorted({server.language for server in of_spec}, key=str.casefold)
        raise UsageError(
            f'there is no server of {spec} in "{language}" to copy{nearest(language, languages)}; '
            f"languages: {', '.join(languages)}"
        )
    return min(candidates, key=_preference)


def template_named(name: str, spec: str, implementations: Sequence[Implementation]) -> Implementation:
    """Return the server of the zoo with this name.

    Args:
        name: its name.
        spec: the name of the spec that the server must serve.
        implementations: all declared servers.

    Raises:
        UsageError: the zoo has no such server of this spec.
    """
    of_spec = {server.name: server for server in implementations if server.spec == spec and _folder(server)}
    if name not in of_spec:
        raise UsageError(f'there is no server "{name}" of {spec} to copy{nearest(name, of_spec)}')
    return of_spec[name]


def _preference(server: Implementation) -> tuple[bool, str, int, int, str]:
    return server.category != "idiomatic", why_unavailable(server), len(server.needs), code_lines(server), server.name


def _folder(implementation: Implementation) -> Path | None:
    """Return the folder of the zoo that has this server; None for a server from elsewhere."""
    if implementation.source is None or not implementation.source.is_relative_to(impls_folder()):
        return None
    return impls_folder() / implementation.source.relative_to(impls_folder()).parts[0]


def create(
    name: str, template: Implementation, implementations: Sequence[Implementation], specs: Collection[str]
) -> Path:
    """Create the folder of a new server from a copy of another; return the folder.

    Args:
        name: the name of the new server.
        template: the server to copy.
        implementations: all declared servers.
        specs: the names of all specs; a section of a README with such a heading is about that spec.

    Raises:
        UsageError: the name is invalid or taken.
        HarnessError: the folder cannot be written.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            f'"{name}" is no valid server name: use lower-case letters, digits and "_", with a letter first'
        )
    folder = new_folder(name)
    if taken := [server for server in implementations if server.name == name]:
        raise UsageError(f'a server "{name}" already exists: {taken[0].source or taken[0].summary}')
    if folder.exists():
        raise UsageError(f"{folder} already exists")
    original = _folder(template)
    assert original and template.source
    try:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as temporary:
            copy = Path(temporary) / "copy"
            shutil.copytree(original, copy, ignore=_files_to_skip(template, original, implementations))
            source = template.source.relative_to(original)
            _declare(msgspec.structs.replace(template, name=name, source=source, files=()), copy)
            text = f"# {template.name}: {template.style}\n\n{template.summary}\n"
            if (original / README).exists():
                text = (original / README).read_text("utf-8")
            (copy / README).write_text(readme(text, name, template, specs), "utf-8")
            os.rename(copy, folder)
    except OSError as error:
        raise HarnessError(f"{folder} cannot be created: {error.strerror or error}") from None
    return folder


def _declare(implementation: Implementation, folder: Path) -> None:
    # Only in the zoo is a package of Python also a plugin.
    if implementation.run or IS_INSTALLED:
        (folder / manifests.FILE).write_text(declarations.manifest(implementation), "utf-8")
    else:
        (folder / HOOK).write_text(declarations.hook(implementation), "utf-8")


def _files_to_skip(template: Implementation, folder: Path, implementations: Sequence[Implementation]) -> IgnoreFunction:
    """Return the filter for copying: it skips files of other servers, and the files that are written anew."""

    def own_files(server: Implementation) -> set[Path]:
        return {path for path in (server.source, *(folder / name for name in server.files)) if path}

    skipped: set[Path] = set()
    for neighbour in implementations:
        if _folder(neighbour) == folder:
            skipped |= own_files(neighbour)
    skipped -= own_files(template)
    skipped |= {folder / name for name in (README, HOOK, manifests.FILE)}

    def ignore(parent: str, names: list[str]) -> set[str]:
        return {name for name in names if name in BYPRODUCTS or Path(parent, name) in skipped}

    return ignore


def readme(text: str, name: str, template: Implementation, specs: Collection[str]) -> str:
    """Return the README of a new server, from its template's: without the sections about other specs.

    Args:
        text: the README of the template.
        name: the name of the new server, for the heading.
        template: the server that was copied.
        specs: the names of all specs.
    """
    lead, *sections = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    heading, _, lead = lead.partition("\n")
    title_text = heading.partition(": ")[2] or template.style
    kept = []
    for section in sections:
        title, _, body = section.partition("\n")
        words = set(re.findall(r"\w+", title)) - {"and"}
        if not words <= set(specs):
            kept.append(section)
        elif template.spec in words:
            first, _, _ = lead.partition("\n- ")  # the list below it is about the first spec
            lead = f"{first.rstrip()}\n\n{body.strip()}\n\n"
    assert template.source
    origin = f"[{template.name}](../{(_folder(template) or template.source.parent).name}/{README})"
    if IS_INSTALLED:
        origin = f"`{template.name}`"
    note = f"Copied from {origin} by `harness new`. The text below describes the original: rewrite it for your server."
    return f"# {name}: {title_text}\n\n{note}\n\n{''.join([lead.lstrip(), *kept]).rstrip()}\n"
